"""Draw the figures of the documentation from models that are fitted here: nothing in them is drawn by hand.

python docs/figures.py FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import CounterfactualDisplay, Counterfactuals, HyConExClassifier
from hyconex_sklearn._table.codec import TableCodec

mpl.use("Agg")
sys.path.append(str(Path(__file__).parents[1] / "examples" / "2_guides"))
import matplotlib.pyplot as plt
import rooms
from loans import load_loans

# Okabe and Ito: told apart by the colour-blind, and in greyscale by markers and line styles beside them.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
CLASSES = (BLUE, ORANGE)
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 130,
    "legend.frameon": False,
}


@cache
def moons() -> tuple[np.ndarray, np.ndarray]:
    """Return two interleaved half-circles, standardised, so that encoded units are those of the picture."""
    X, y = make_moons(600, noise=0.12, random_state=0)
    return StandardScaler().fit_transform(X), y


@cache
def model() -> HyConExClassifier:
    """Return a classifier of the half-circles."""
    return HyConExClassifier(random_state=0).fit(*moons())


def grid(n: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coordinates (n, n) of a grid over the picture, and its points (n * n, 2)."""
    a, b = np.meshgrid(np.linspace(-2.2, 2.2, n), np.linspace(-2.3, 2.3, n))
    return a, b, np.column_stack([a.ravel(), b.ravel()])


def draw_map(ax: Any, *, density: bool = True) -> None:
    """Draw what the model predicts where, and where rows of each class are usual."""
    a, b, points = grid()
    ax.contourf(a, b, model().predict_proba(points)[:, 1].reshape(a.shape), [0, 0.5, 1], colors=CLASSES, alpha=0.16)
    ax.contour(a, b, model().predict_proba(points)[:, 1].reshape(a.shape), [0.5], colors="black", linewidths=1)
    if density:
        threshold = model()._model.threshold.numpy()
        for m, style in enumerate(("-", "--")):
            height = model().score_samples(points)[:, m].reshape(a.shape)
            ax.contour(a, b, height, [threshold[m]], colors=CLASSES[m], linestyles=style, linewidths=1.6)
    ax.set(xlim=(-2.2, 2.2), ylim=(-2.3, 2.3), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def draw_rows(ax: Any) -> None:
    """Draw the training rows, faintly."""
    X, y = moons()
    for m, marker in enumerate("o^"):
        ax.scatter(*X[y == m][:120].T, s=9, marker=marker, color=CLASSES[m], alpha=0.45, linewidths=0)


def arrow(ax: Any, start: np.ndarray, end: np.ndarray, colour: str, style: str = "-") -> None:
    """Draw the way from one row to another."""
    shape = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.8, "linestyle": style, "shrinkA": 4, "shrinkB": 1}
    ax.annotate("", xy=tuple(end), xytext=tuple(start), arrowprops=shape)


def some_rows() -> np.ndarray:
    """Return three rows that are asked about: two of one class, one of the other."""
    X, y = moons()
    wanted = np.array([[-1.55, 0.45], [0.0, 1.35], [1.2, -1.35]])
    own = [X[y == m] for m in (0, 0, 1)]
    return np.array([rows[np.linalg.norm(rows - w, axis=1).argmin()] for rows, w in zip(own, wanted, strict=True)])


def idea(folder: Path) -> None:
    """The nearest row that fools the model, and the nearest one that is like rows of the other class."""
    rows = some_rows()
    cf = model().counterfactuals(rows)
    points = grid(400)[2]
    predicted = model().predict(points)
    figure, ax = plt.subplots(figsize=(6.4, 5.6))
    draw_map(ax)
    draw_rows(ax)
    for row, end, own in zip(rows, cf.data, model().predict(rows), strict=True):
        others = points[predicted != own]
        nearest = others[np.linalg.norm(others - row, axis=1).argmin()]
        arrow(ax, row, nearest, RED, ":")
        arrow(ax, row, end, "black")
        ax.plot(*nearest, "X", color=RED, markersize=8)
        ax.plot(*end, "s", color="black", markersize=6)
        ax.plot(*row, "o", color="white", markeredgecolor="black", markersize=8)
    handles = [
        plt.Line2D([], [], marker="o", color="white", markeredgecolor="black", linestyle="", label="row asked about"),
        plt.Line2D([], [], marker="X", color=RED, linestyle=":", label="nearest row that fools the model"),
        plt.Line2D([], [], marker="s", color="black", label="counterfactual"),
        plt.Line2D([], [], color=GREY, label="usual rows of a class lie inside"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    figure.savefig(folder / "idea.png")


def encoding(folder: Path) -> None:
    """A skewed column before and after, and what the encoded matrix of a small table looks like."""
    rng = np.random.default_rng(0)
    n = 500
    table = pd.DataFrame(
        {
            "age": rng.integers(20, 70, n),
            "savings": np.where(rng.random(n) < 0.1, np.nan, np.exp(rng.normal(8, 1.4, n)).round()),
            "job": rng.choice(["clerk", "driver", "nurse"], n),
        }
    )
    Z = TableCodec.fit(table, "from_dtype").encode(table)
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9), width_ratios=[1, 1, 1.5])
    axes[0].hist(table["savings"].dropna() / 1000, 40, color=BLUE)
    axes[0].set(title="savings, thousands", yticks=[])
    axes[1].hist(Z[~table["savings"].isna(), 1], 40, color=GREEN)
    axes[1].set(title="the same, encoded", yticks=[])
    rows = [int(i) for i in (0, 1, *np.flatnonzero(table["savings"].isna())[:1], 3, 4)]
    image = axes[2].imshow(Z[rows], cmap="cividis", vmin=-2, vmax=2, aspect="auto")
    names = ["age", "savings", "savings\nmissing", "clerk", "driver", "nurse"]
    axes[2].set(title="five rows, encoded", yticks=[], xticks=range(Z.shape[1]))
    axes[2].set_xticklabels(names, fontsize=8)
    for i, row in enumerate(Z[rows]):
        for j, value in enumerate(row):
            axes[2].text(
                j, i, f"{value:.1f}", ha="center", va="center", fontsize=8, color="black" if value > 0 else "w"
            )
    figure.colorbar(image, ax=axes[2], shrink=0.8)
    figure.savefig(folder / "encoding.png")


def one_pass(folder: Path) -> None:
    """The step that the network writes for each of many rows, free and with one column frozen."""
    X, _ = moons()
    rows = X[::20]
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.7))
    for ax, frozen in zip(axes, ([], [0]), strict=True):
        cf = model().counterfactuals(rows, search="one_shot", immutable=frozen)
        draw_map(ax)
        for row, end, own in zip(rows, cf.data, cf.prediction_before, strict=True):
            arrow(ax, row, end, CLASSES[own], "-" if own == 0 else "--")
            ax.plot(*row, "o^"[own], color="white", markeredgecolor="black", markersize=5)
        title = "the horizontal column frozen" if frozen else "both columns free"
        shares = cf.report[["valid", "plausible"]].mean()
        ax.set_title(f"{title}: {shares.iloc[0]:.0%} valid, {shares.iloc[1]:.0%} plausible", fontsize=10)
    figure.savefig(folder / "one_pass.png")


def losses(folder: Path) -> None:
    """What the terms of the joint objective ask."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.0))
    odds, margin = np.linspace(-4, 6, 300), 2.0
    axes[0].plot(odds, 2 * np.log1p(np.maximum(margin - odds, 0)), color=BLUE, linewidth=2, label="here")
    axes[0].plot(odds, np.log1p(np.exp(-odds)), color=GREY, linestyle="--", label="cross-entropy")
    axes[0].axvline(margin, color="black", linewidth=0.8, linestyle=":")
    axes[0].set(xlabel=r"log-odds of the target; the margin is dotted", title="validity")
    axes[0].legend()
    short = np.linspace(-10, 40, 300)
    axes[1].plot(-short, 5 * np.log1p(np.maximum(short, 0) / 10**0.5), color=ORANGE, linewidth=2, label="here, d = 10")
    axes[1].plot(-short, np.maximum(short, 0), color=GREY, linestyle="--", label="without logarithm")
    axes[1].set(xlabel=r"$\log p(x' \mid m) - \delta_m$", title="plausibility", ylim=(-1, 25))
    axes[1].legend()
    figure.savefig(folder / "losses.png")


def training(folder: Path) -> None:
    """The history of a fit, phase by phase."""
    history = pd.DataFrame(model().history_)
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9))
    titles = {"density": "1  density: loss", "classifier": "2  classifier: loss", "joint": "3  joint: shares"}
    for ax, (phase, title) in zip(axes, titles.items(), strict=True):
        own = history[history["phase"] == phase]
        ax.set(title=title, xlabel="epoch")
        if phase == "joint":
            ax.plot(own["epoch"], own["valid"], color=BLUE, label="valid")
            ax.plot(own["epoch"], own["plausible"], color=ORANGE, linestyle="--", label="plausible")
            ax.set_ylim(0, 1.05)
        else:
            ax.plot(own["epoch"], own["train_loss"], color=GREY, linestyle=":", label="training rows")
            ax.plot(own["epoch"], own["valid_loss"], color=BLUE, label="held-out rows")
        ax.legend(fontsize=8)
    figure.savefig(folder / "training.png")


def searches(folder: Path) -> None:
    """Where the searches end, for one row."""
    row = some_rows()[1:2]
    figure, ax = plt.subplots(figsize=(6.4, 4.6))
    draw_map(ax)
    draw_rows(ax)
    looks = {"steps": ("v", RED), "one_shot": ("D", BLUE), "latent": ("P", GREEN), "auto": ("s", "black")}
    for search, (marker, colour) in looks.items():
        cf = model().counterfactuals(row, search=search)
        line = cf.report.iloc[0]
        ax.plot([row[0, 0], cf.data[0, 0]], [row[0, 1], cf.data[0, 1]], color=colour, linewidth=1)
        label = f"{search}: distance {line['distance_l2']:.2f}, p = {line['probability']:.2f}, {line['status']}"
        ax.plot(*cf.data[0], marker, color=colour, markersize=8, linestyle="", label=label)
    ax.plot(*row[0], "o", color="white", markeredgecolor="black", markersize=9)
    ends = np.vstack([row, cf.data])
    middle = ends.mean(0)
    ax.set(xlim=middle[0] + np.array([-1.5, 1.5]), ylim=middle[1] + np.array([-1.1, 1.1]))
    figure.legend(loc="outside lower center")
    figure.savefig(folder / "searches.png")


STATIONS = {
    "table": (0, 1, "your table\nX"),
    "codec": (1, 1, "codec\nencode"),
    "network": (2, 1, "classifier $l(x)$\nhypernetwork $W(x, a)$"),
    "search": (3, 1, "search\n$x' = x - a \\odot W_m$"),
    "certificate": (4, 1, "certificate\ndecode, encode, judge"),
    "answer": (5, 1, "counterfactuals\nrows and report"),
    "rules": (2, 0, "rules\nwhat may change"),
    "density": (3, 2, "density\n$\\log p(x \\mid m)$"),
    "committee": (4, 2, "committee\nsupport"),
}
WAYS = (
    "table codec",
    "codec network",
    "network search",
    "search certificate",
    "certificate answer",
    "rules search",
    "density search",
    "density certificate",
    "committee certificate",
)


def stations(folder: Path) -> None:
    """The way of a row to its answer."""
    figure, ax = plt.subplots(figsize=(10.4, 3.1))
    ax.set(xlim=(-0.5, 5.5), ylim=(-0.4, 2.4))
    ax.axis("off")
    boxes = {}
    for name, (x, y, text) in STATIONS.items():
        judge = name in ("density", "committee", "certificate")
        shape = {"boxstyle": "round,pad=0.45", "facecolor": "#FFF3D6" if judge else "#E3F0F8", "edgecolor": GREY}
        boxes[name] = ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox=shape)
    for way in WAYS:
        start, end = (boxes[name] for name in way.split())
        straight = {
            "arrowstyle": "-|>",
            "color": GREY,
            "patchA": start.get_bbox_patch(),
            "patchB": end.get_bbox_patch(),
        }
        ax.annotate("", xy=end.get_position(), xytext=start.get_position(), arrowprops=straight, zorder=0)
    figure.savefig(folder / "stations.png")


@cache
def applications() -> Counterfactuals:
    """Return what some refused applications for a loan lack, three ways each."""
    X, y = load_loans()
    clf = HyConExClassifier(random_state=0).fit(X[100:], y[100:])
    refused = X[:100][clf.predict(X[:100]) == "refused"].head(12).reset_index(drop=True)
    rules = {"immutable": ["age", "marital_status"], "monotonic_cst": {"education": 1}, "max_changes": 3}
    return clf.counterfactuals(refused, target="granted", n_counterfactuals=3, **rules)


def display(folder: Path) -> None:
    """What three ways to a loan change, for one applicant."""
    shown = CounterfactualDisplay.from_counterfactuals(applications(), row=0)
    shown.figure_.savefig(folder / "display.png")


def report_page(folder: Path) -> None:
    """The report page of the same applicants, as Chromium shows it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise FileNotFoundError("The picture of a report page is taken by Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as place:
        page = applications().to_html(Path(place) / "page.html", title="Your loan application")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={place}"]
        picture = "--screenshot=" + str((folder / "report_page.png").resolve())
        told = subprocess.run(
            [browser, *flags, picture, "--window-size=1160,1180", page.as_uri()], capture_output=True, text=True
        )
        if told.returncode:
            raise RuntimeError(f"Chromium took no picture: {told.stderr[-500:]}")


FIGURES = (idea, stations, encoding, one_pass, losses, training, searches, display, report_page, rooms.draw)


def main() -> None:
    """Draw all figures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for draw in FIGURES:
            draw(folder)
            plt.close("all")


if __name__ == "__main__":
    main()
