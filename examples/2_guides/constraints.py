"""
What a person can carry out
===========================

Nobody gets younger, and a degree takes years: rules say what may change, are written once, and are checked on every row
that comes back. Here applicants for a loan ask what they could do.
"""

# %%
# A table of people
# -----------------
# Made up, since it ships with nothing: numbers, an ordered category, text, and missing cells. Three applications that
# the classifier refuses:
from __future__ import annotations

import pandas as pd
from loans import load_loans
from sklearn.model_selection import train_test_split

from hyconex_sklearn import Actionability, HyConExClassifier

X, y = load_loans()
X_train, X_test, y_train, _ = train_test_split(X, y, stratify=y, random_state=0)
clf = HyConExClassifier(random_state=0).fit(X_train, y_train)
refused = X_test[clf.predict(X_test) == "refused"].head(3)
print(refused.to_string())

# %%
# Without rules
# -------------
# Anything may change, age too. That tells what the model looks at, and is no advice to anybody.
print(*clf.counterfactuals(refused, target="granted").explain(), sep="\n")

# %%
# Everyday rules
# --------------
# Nobody gets younger or works 70 hours; education only rises; age and marital status are not advice.
cf = clf.counterfactuals(
    refused,
    target="granted",
    immutable=["age", "marital_status"],
    bounds={"hours_per_week": (None, 45)},
    monotonic_cst={"education": 1},
)
print(*cf.explain(), sep="\n")

# %%
# Rarer rules
# -----------
# They are fields of one object, which can be named, shared and written to JSON. At most two changes, and a debt of at
# most 40 % of the income, in steps of 500, where a degree costs four times as much as other changes:
rules = Actionability(
    immutable=["age"],
    allowed_transitions={"marital_status": {"single": ["single", "married"], "married": ["married", "divorced"]}},
    resolution={"debt": 500},  # this bank lends in steps of 500
    relations=[({"debt": 1, "income": -0.4}, 0)],  # debt - 0.4 income <= 0
    feature_weights={"education": 4, "hours_per_week": 2},
    max_changes=2,
)
assert Actionability.from_json(rules.to_json()) == rules
print(*clf.counterfactuals(refused, target="granted", actionability=rules).explain(), sep="\n")


# %%
# A rule of your own
# ------------------
# What no rule can say, a function can: this bank lends whole weeks' incomes. It is asked for a probability of 0.9, too,
# and where that can't be had the best attempt comes back, and says so.
def in_weeks(table: pd.DataFrame) -> pd.DataFrame:
    """Round the debt of every proposal to what is earned in so many weeks."""
    week = table["income"] / 52
    return table.assign(debt=((table["debt"] / week).round() * week).round().astype(int))


cf = clf.counterfactuals(
    refused,
    target="granted",
    target_probability=0.9,
    actionability=Actionability(immutable=["age"], repair=in_weeks),
)
print(*cf.explain(), sep="\n")
print(cf.report["status"].value_counts().to_string())

# %%
# Rules for each row
# ------------------
# A mask over rows and columns freezes cells. Only the debt may change here, and for most people that is not enough: a
# strict rule is kept, and the status tells what became of each row.
others = X_test.head(50)
per_row = others.notna().to_numpy() & (others.columns != "debt")
cf = clf.counterfactuals(others, immutable=per_row)
print(cf.report["status"].value_counts().to_string())

# sphinx_gallery_thumbnail_path = "figures/one_pass.png"
