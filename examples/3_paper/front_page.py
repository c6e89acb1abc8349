"""Write what README.md shows: the quickstart's output, a picture of an answer, and the figures beside other tools.

    python examples/3_paper/front_page.py [--figures]

The quickstart is run for output and picture; `--figures` leaves both as they are. The figures are those of
docs/results/benchmark.json. Each stands in README.md between `<!-- its name -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import runpy
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from glance import of_all_asked
from summaries import markdown, number

from hyconex_sklearn import CounterfactualDisplay

ROOT = Path(__file__).parents[2]
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "results" / "answer.png"
METHODS = {
    "hyconex_one_shot": "this package, one pass",
    "hyconex_auto": "this package, default search",
    "wachter": "Wachter et al.",
    "ppcef": "PPCEF",
    "dice_random": "DiCE, random",
    "dice_genetic": "DiCE, genetic",
    "nice": "NICE",
}
FIGURES = {
    "validity": "valid",
    "agreement": "another model agrees",
    "plausibility_independent": "plausible",
    "l2": "distance",
    "n_changed": "columns changed",
}


def beside_others(path: Path) -> str:
    """Return the means over tables and seeds of each method, as a table in Markdown."""
    records = json.loads(path.read_text(encoding="utf-8"))["records"]
    frame = of_all_asked(pd.DataFrame(records))
    means = frame.groupby(["method", "table"])[[*FIGURES, "per_second"]].mean().groupby(level=0).mean()
    lines = [
        [label, *(number(means.loc[name, figure], 2) for figure in FIGURES), f"{means.loc[name, 'per_second']:,.0f}"]
        for name, label in METHODS.items()
    ]
    return markdown(["", *FIGURES.values(), "rows a second"], lines)


def quickstart() -> tuple[str, dict[str, Any]]:
    """Return what the quickstart prints after its fit, and its names."""
    with redirect_stdout(io.StringIO()) as printed:
        names = runpy.run_path(str(ROOT / "examples" / "1_start" / "quickstart.py"))
    text = "\n".join(line.rstrip() for line in printed.getvalue().splitlines()[1:])
    return f"```text\n{text.strip()}\n```", names


def draw(names: dict[str, Any], path: Path) -> None:
    """Draw two ways for the first row of the quickstart."""
    mpl.use("Agg")
    cf = names["clf"].counterfactuals(names["X_test"][:1], n_counterfactuals=2)
    CounterfactualDisplay.from_counterfactuals(cf).figure_.savefig(path, dpi=110, bbox_inches="tight")


def put(text: str, name: str, block: str) -> str:
    """Return the text with a block between the marks of its name."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"README.md has no '<!-- {name} -->' with an '<!-- end -->' after it; put them back.")
    return marked.sub(lambda found: f"{found[1]}{block}\n{found[2]}", text)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", action="store_true", help="write the figures alone")
    parser.add_argument("--page", type=Path, default=README)
    options = parser.parse_args()
    text = put(options.page.read_text(encoding="utf-8"), "figures", beside_others(ROOT / "docs/results/benchmark.json"))
    if not options.figures:
        output, names = quickstart()
        text = put(text, "output", output)
        draw(names, PICTURE)
    options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
