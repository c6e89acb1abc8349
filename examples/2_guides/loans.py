"""A made-up table of loan applications: numbers, an ordered category, text, and missing cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

DEGREES = ["school", "college", "bachelor", "master"]


def load_loans(n: int = 1_500) -> tuple[pd.DataFrame, pd.Series]:
    """Return n applications and what became of them, "granted" or "refused"."""
    rng = np.random.default_rng(0)
    age = rng.integers(20, 70, n)
    degree = np.clip(rng.normal(1.2 + 0.01 * age, 0.9, n).round(), 0, 3).astype(int)
    hours = np.clip(rng.normal(38, 7, n).round(), 10, 60).astype(int)
    income = (rng.lognormal(9.4, 0.25, n) * (1 + 0.25 * degree) * hours / 38).round(-2)
    debt = (income * rng.beta(1.5, 3, n)).round(-2)
    status = np.where(age < rng.integers(20, 45, n), "single", rng.choice(["married", "divorced"], n, p=[0.7, 0.3]))
    X = pd.DataFrame(
        {
            "age": age,
            "education": pd.Categorical.from_codes(degree, DEGREES, ordered=True),
            "marital_status": status,
            "hours_per_week": hours,
            "income": income.astype(int),
            "debt": debt.astype(int),
            "savings": rng.gamma(1.5, 4_000, n).round(-2),
        }
    )
    score = 1.6 * np.log(income / 16_000) - 3.5 * debt / income + X["savings"] / 8_000 + 0.3 * degree + 0.4
    y = pd.Series(np.where(score + rng.logistic(scale=0.4, size=n) > 0, "granted", "refused"), name="loan")
    X.loc[::15, "savings"] = np.nan
    return X, y
