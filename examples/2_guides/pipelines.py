"""Rules and answers through a pipeline and a search, in the columns and units of the table that went in.

python examples/2_guides/pipelines.py
"""

from __future__ import annotations

from loans import load_loans
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RandomizedSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import HyConExClassifier, counterfactuals

NUMBERS = ["age", "hours_per_week", "income", "debt", "savings"]


def main() -> None:
    """Tune a pipeline, and ask the winner about two refused applications."""
    X, y = load_loans(600)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    # The classifier needs neither: the steps stand for whatever your pipeline does. Text passes through as it is.
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipeline = make_pipeline(prepare, HyConExClassifier(random_state=0))
    settings = {"hyconexclassifier__alpha_plausibility": [0.1, 0.5], "hyconexclassifier__hidden_size": [64, 128]}
    search = RandomizedSearchCV(pipeline, settings, n_iter=2, cv=2, scoring="roc_auc", random_state=0)
    search.fit(X_train, y_train)
    print(f"Best: {search.best_params_}, test AUROC {search.score(X_test, y_test):.3f}\n")

    refused = X_test[search.predict(X_test) == "refused"].head(2)
    cf = counterfactuals(search, refused, target="granted", immutable=["age", "marital_status"], max_changes=3)
    print(*cf.explain(), sep="\n")
    print(cf.to_frame()[["row", "probability", "valid", "plausible", "feasible", *X.columns]].to_string())


if __name__ == "__main__":
    main()
