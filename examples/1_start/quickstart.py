"""Fit, score, and ask what would have to change: ten measurements of breast tumours, benign or malignant."""

from __future__ import annotations

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from hyconex_sklearn import Counterfactuals, HyConExClassifier


def load_tumours() -> tuple[pd.DataFrame, pd.Series]:
    """Return 569 rows of ten measurements, and the diagnoses as text."""
    data = load_breast_cancer(as_frame=True)
    # The ten "worst" columns alone classify about as well as all thirty, and fit on a screen.
    X = data.data.filter(like="worst")
    return X, data.target.map({0: "malignant", 1: "benign"})


def side_by_side(cf: Counterfactuals) -> pd.DataFrame:
    """Return one line per feature; for each counterfactual, the row as it is and as it would have to be."""
    columns = {}
    for one in cf:
        line = one.report.iloc[0]
        columns[f"row {line['row']}", f"{one.prediction_before[0]} now"] = one.original.iloc[0]
        columns[f"row {line['row']}", f"for {line['target']}"] = one.data.iloc[0]
    return pd.DataFrame(columns)


def main() -> None:
    """Print accuracy, AUROC, counterfactuals of three unseen rows, and what they are worth."""
    X, y = load_tumours()
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    print(f"Fitting {len(X_train)} rows x {X.shape[1]} columns ...", flush=True)
    clf = HyConExClassifier(random_state=0).fit(X_train, y_train)
    auroc = roc_auc_score(y_test == clf.classes_[1], clf.predict_proba(X_test)[:, 1])
    print(f"Test accuracy {clf.score(X_test, y_test):.3f}, AUROC {auroc:.3f}\n")
    cf = clf.counterfactuals(X_test)
    print(side_by_side(cf[:3]).to_string(float_format="{:.4g}".format))
    shown = ["row", "prediction", "probability", "support", "valid", "plausible", "distance_l2", "n_changed", "status"]
    print(f"\n{cf.report[shown].head(3).to_string(index=False, float_format='{:.2f}'.format)}\n")
    flags = cf.report[["valid", "plausible"]].mean()
    print(f"All {len(cf)} test rows: {flags['valid']:.1%} valid, {flags['plausible']:.1%} plausible.")


if __name__ == "__main__":
    main()
