"""
Through a pipeline and a search
===============================

Pipelines and searches forward none of their classifier's own methods. The function ``counterfactuals`` asks through
them, and answers in the columns and units of the table that went in; rules are told in these, too.
"""

# %%
# A pipeline, tuned
# -----------------
# The classifier needs neither imputer nor scaler: they stand for whatever your pipeline does. Text passes through. Few
# epochs, for a quick look.
from __future__ import annotations

from loans import load_loans
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, ShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import HyConExClassifier, counterfactuals

X, y = load_loans(600)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
prepare = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "hours_per_week", "income", "debt", "savings"]),
    remainder="passthrough",
    verbose_feature_names_out=False,
).set_output(transform="pandas")
pipeline = make_pipeline(prepare, HyConExClassifier(pretrain_epochs=60, joint_epochs=60, random_state=0))

# %%
# A third of the training rows choose between two weights of plausibility; the better one is fitted to all of them.
grid = {"hyconexclassifier__alpha_plausibility": [0.1, 0.5]}
split = ShuffleSplit(1, test_size=1 / 3, random_state=0)
search = GridSearchCV(pipeline, grid, cv=split, scoring="roc_auc").fit(X_train, y_train)
print(f"Best: {search.best_params_}, test AUROC {search.score(X_test, y_test):.3f}")

# %%
# Ask the winner
# --------------
# Cells that do not change are those of the table, bit for bit, though the pipeline has imputed and scaled them.
refused = X_test[search.predict(X_test) == "refused"].head(2)
cf = counterfactuals(search, refused, target="granted", immutable=["age", "marital_status"], max_changes=3)
print(*cf.explain(), sep="\n")
print(cf.to_frame()[["row", "probability", "valid", "plausible", "feasible", *X.columns]].to_string())

# sphinx_gallery_thumbnail_path = "figures/stations.png"
