"""
A choice of answers
===================

One answer may be the one that a person cannot carry out. Alternatives change *other* columns, not the same ones a
little less.
"""

# %%
# Three answers for each refused application
# ------------------------------------------
# They are ranked: certified ones first, then the nearest.
from __future__ import annotations

from itertools import combinations

from loans import load_loans
from sklearn.model_selection import train_test_split

from hyconex_sklearn import HyConExClassifier

X, y = load_loans()
X_train, X_test, y_train, _ = train_test_split(X, y, stratify=y, random_state=0)
clf = HyConExClassifier(random_state=0).fit(X_train, y_train)
refused = X_test[clf.predict(X_test) == "refused"]
cf = clf.counterfactuals(refused[:50], target="granted", n_counterfactuals=3, immutable=["age"])

for one in cf[cf.report["row"] < 2]:
    line = one.report.iloc[0]
    print(f"row {line['row']}, alternative {line['rank']} (distance {line['distance_l2']:.2f}): {one.explain()[0]}")

# %%
# How different are they?
# -----------------------
# The Jaccard distance between the sets of columns that two alternatives change is 0 for the same columns, and 1 for
# entirely different ones.
changed = cf.changes().groupby(["row", "rank"])["feature"].agg(set)
distances = [1 - len(a & b) / len(a | b) for _, sets in changed.groupby(level="row") for a, b in combinations(sets, 2)]
answers = cf.report.groupby("row")
print(f"{len(cf)} alternatives for {answers.ngroups} rows, {(answers.size() == 3).mean():.0%} of them have three.")
print(f"Mean Jaccard distance of the changed columns: {sum(distances) / len(distances):.2f}")

# %%
# A later alternative has to do without what the earlier ones changed most, so it lies farther away, and is certified
# less often:
print(cf.report.groupby("rank")[["distance_l2", "valid", "plausible"]].mean().round(2).to_string())

# sphinx_gallery_thumbnail_path = "figures/searches.png"
