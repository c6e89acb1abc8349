"""A choice of answers: alternatives that change other columns, not the same ones a little less.

python examples/2_guides/diversity.py
"""

from __future__ import annotations

from itertools import combinations

from loans import load_loans
from sklearn.model_selection import train_test_split

from hyconex_sklearn import Counterfactuals, HyConExClassifier


def jaccard_distance(cf: Counterfactuals) -> float:
    """Mean over queries and pairs of alternatives: 1 where two change entirely different columns, 0 for the same."""
    changes = cf.changes().groupby(["row", "target", "rank"])["feature"].agg(set)
    distances = [
        1 - len(a & b) / len(a | b)
        for _, sets in changes.groupby(level=["row", "target"])
        for a, b in combinations(sets, 2)
    ]
    return sum(distances) / len(distances)


def main() -> None:
    """Print three alternatives for two refused applications, and how different they are over many."""
    X, y = load_loans()
    X_train, X_test, y_train, _ = train_test_split(X, y, stratify=y, random_state=0)
    clf = HyConExClassifier(random_state=0).fit(X_train, y_train)
    refused = X_test[clf.predict(X_test) == "refused"]
    cf = clf.counterfactuals(refused[:100], target="granted", n_counterfactuals=3, immutable=["age"])
    for one in cf[cf.report["row"] < 2]:
        line = one.report.iloc[0]
        print(f"row {line['row']}, alternative {line['rank']} (distance {line['distance_l2']:.2f}): {one.explain()[0]}")

    answers = cf.report.groupby("row")
    print(
        f"\n{len(cf)} alternatives for {answers.ngroups} rows, {(answers.size() == 3).mean():.0%} of them have three."
    )
    print(f"Mean Jaccard distance of the changed columns: {jaccard_distance(cf):.2f}")
    print(answers[["valid", "plausible"]].all().mean().rename("share of rows where all of them are").to_string())


if __name__ == "__main__":
    main()
