"""
Fit, score, and ask what would have to change
=============================================

Ten measurements of breast tumours, benign or malignant: a classifier is fitted to three quarters of them, scored on the
rest, and asked of each unseen tumour what would have to be different for the other diagnosis.
"""

# %%
# Data
# ----
# The ten "worst" columns alone classify about as well as all thirty, and fit on a screen. Nothing has to be scaled.
from __future__ import annotations

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from hyconex_sklearn import HyConExClassifier

data = load_breast_cancer(as_frame=True)
X = data.data.filter(like="worst")
y = data.target.map({0: "malignant", 1: "benign"})
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# Fit and score
# -------------
# A classifier like every other one of scikit-learn: no parameter has to be set. The seed makes the run repeatable.
print(f"Fitting {len(X_train)} rows x {X.shape[1]} columns ...", flush=True)
clf = HyConExClassifier(random_state=0).fit(X_train, y_train)

auroc = roc_auc_score(y_test == clf.classes_[1], clf.predict_proba(X_test)[:, 1])
print(f"Test accuracy {clf.score(X_test, y_test):.3f}, AUROC {auroc:.3f}\n")

# %%
# Ask
# ---
# Every row is answered for every class but the predicted one. Each pair of columns is a tumour as it is, and as it
# would have to be: in the units of the table, and unchanged where nothing need change.
cf = clf.counterfactuals(X_test)

columns = {}
for one in cf[:3]:
    line = one.report.iloc[0]
    columns[f"row {line['row']}", f"{one.prediction_before[0]} now"] = one.original.iloc[0]
    columns[f"row {line['row']}", f"for {line['target']}"] = one.data.iloc[0]
print(pd.DataFrame(columns).to_string(float_format="{:.4g}".format))

# %%
# In a notebook a result shows itself, changed cells marked:
cf[:3]

# %%
# What is it worth?
# -----------------
# The report is computed from the very rows above: what the model predicts for them, how surely, how large a part of the
# committee agrees, whether such rows are usual in their class, and how far away they are.
shown = ["row", "prediction", "probability", "support", "valid", "plausible", "distance_l2", "n_changed", "status"]
print(f"\n{cf.report[shown].head(3).to_string(index=False, float_format='{:.2f}'.format)}\n")

flags = cf.report[["valid", "plausible"]].mean()
print(f"All {len(cf)} test rows: {flags['valid']:.1%} valid, {flags['plausible']:.1%} plausible.")

# %%
# A word of caution: this says how the *model* would judge another tumour. Nobody is cured by writing other numbers into
# the table, and no drug moves the mean radius of a cell's nucleus alone.

# sphinx_gallery_thumbnail_path = "results/answer.png"
