"""What a person can carry out: rules about columns, written once, checked on every row that comes back.

python examples/2_guides/constraints.py
"""

from __future__ import annotations

import pandas as pd
from loans import load_loans
from sklearn.model_selection import train_test_split

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier


def show(title: str, cf: Counterfactuals) -> None:
    """Print one sentence per row, and what became of the whole batch."""
    print(f"\n{title}")
    for row, sentence in zip(cf.report["row"], cf.explain(), strict=True):
        print(f"  {row}: {sentence}")


def in_hundreds(table: pd.DataFrame) -> pd.DataFrame:
    """A rule that only the user can write: a bank lends and pays in hundreds."""
    return table.assign(debt=(table["debt"] / 100).round().astype(int) * 100)


def main() -> None:
    """Fit, then ask about three refused applications under more and more rules."""
    X, y = load_loans()
    X_train, X_test, y_train, _ = train_test_split(X, y, stratify=y, random_state=0)
    clf = HyConExClassifier(random_state=0).fit(X_train, y_train)
    refused = X_test[clf.predict(X_test) == "refused"].head(3)
    print(refused.to_string())

    show("Anything may change:", clf.counterfactuals(refused, target="granted"))
    show(
        "Nobody gets younger or works 70 hours; education only rises; age and marital status are not advice:",
        clf.counterfactuals(
            refused,
            target="granted",
            immutable=["age", "marital_status"],
            bounds={"hours_per_week": (None, 45)},
            monotonic_cst={"education": 1},
        ),
    )

    # The rarer rules are fields of one object, which can be named, shared and written to JSON.
    rules = Actionability(
        immutable=["age"],
        allowed_transitions={"marital_status": {"single": ["single", "married"], "married": ["married", "divorced"]}},
        relations=[({"debt": 1, "income": -0.4}, 0)],  # debt - 0.4 income <= 0
        feature_weights={"education": 4, "hours_per_week": 2},  # a degree takes years
        max_changes=2,
    )
    assert Actionability.from_json(rules.to_json()) == rules
    show(
        "At most two changes, and a debt of at most 40 % of the income:",
        clf.counterfactuals(refused, target="granted", actionability=rules),
    )
    show(
        "The debt in hundreds, and a probability of 0.9:",
        clf.counterfactuals(
            refused,
            target="granted",
            target_probability=0.9,
            actionability=Actionability(immutable=["age"], repair=in_hundreds),
        ),
    )

    per_row = X_test.notna().to_numpy() & (X_test.columns != "debt")  # only the debt may change, in every row
    cf = clf.counterfactuals(X_test, immutable=per_row)
    print(f"\nOnly the debt may change, {len(cf)} rows:")
    print(cf.report["status"].value_counts().to_string())


if __name__ == "__main__":
    main()
