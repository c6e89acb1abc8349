"""
Pictures of counterfactuals
===========================

Displays draw what a classifier answers: what a counterfactual changes, what many have in common, what a prediction
rests on, and where everything lies if there are two columns only. They need matplotlib, the extra ``plot``.

``python examples/2_guides/pictures.py --output pictures`` saves them in a folder; it takes less than a minute.
"""

# %%
# A classifier of Italian wines: thirteen measurements, three grapes.

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from hyconex_sklearn import (
    ContributionsDisplay,
    CounterfactualDisplay,
    DecisionMapDisplay,
    HistoryDisplay,
    HyConExClassifier,
)

parser = argparse.ArgumentParser(description="Draw a wine's counterfactuals.")
parser.add_argument("--output", type=Path, help="folder for the pictures; without it none is saved")
folder = parser.parse_args().output

X, y = load_wine(return_X_y=True, as_frame=True)
y = y.map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
clf = HyConExClassifier(random_state=0).fit(X_train, y_train)

# %%
# One row: what would have to change
# ----------------------------------
# A panel for each other class, side by side. Every number moves on the range that fit has seen, from the circle to the
# triangle. What stays in one panel and changes in the other is grey.

cf = clf.counterfactuals(X_test)
one = CounterfactualDisplay.from_counterfactuals(cf, row=0)

# %%
# Three ways to the same class, within rules. What is not certified would be dotted, and say why.

ways = CounterfactualDisplay.from_estimator(
    clf, X_test, row=0, target="Barbera", n_counterfactuals=3, immutable=["alcohol"], max_changes=6
)

# %%
# Many rows: what they have in common
# -----------------------------------
# How often each measurement changes on the way to each class, and which way. ``shares_`` holds the figures.

many = CounterfactualDisplay.from_counterfactuals(cf, max_features=10)
print(many.shares_.round(2).head(10).to_string(index=False))

# %%
# What a prediction rests on
# --------------------------
# Start at the typical wine, with the median of each measurement, and exchange one measurement after the other for the
# row's own: a bar is what the log-odds gain at that, on average over orders. Start and bars add up to the log-odds of
# the predicted class against the second most probable one, or against any other that is asked for.

rests = ContributionsDisplay.from_estimator(clf, X_test, row=8)

# %%
# It does not tell what to change, and not what causes what. Of a counterfactual, ``changes`` tells what each changed
# cell adds to the log-odds of the target.

print(cf[:1].changes().to_string(index=False))

# %%
# How training went
# -----------------

history = HistoryDisplay.from_estimator(clf)

# %%
# Two columns: a map
# ------------------
# Regions of the classes, the rows, where each class is dense, and an arrow from each row to its counterfactual.

two = ["flavanoids", "color_intensity"]
small = HyConExClassifier(random_state=0).fit(X_train[two], y_train)
arrows = small.counterfactuals(X_test[two].iloc[::5], target="second")
chart = DecisionMapDisplay.from_estimator(small, X_test[two], y=y_test, counterfactuals=arrows)

# %%
# Every display has ``figure_`` and ``ax_`` (or ``axes_``), to be saved or drawn on.

pictures = {"one": one, "ways": ways, "many": many, "rests": rests, "history": history, "map": chart}
if folder is not None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, display in pictures.items():
        display.figure_.savefig(folder / f"{name}.png", dpi=120)
    print(f"Saved {len(pictures)} pictures in {folder}.")
