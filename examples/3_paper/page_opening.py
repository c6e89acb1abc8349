"""Seconds until a report page of many counterfactuals can be used: opened, sorted, filtered in a real browser.

    python examples/3_paper/page_opening.py --output docs/results

Rows of a bundled table are asked about, again and again until there are as many counterfactuals as wanted; the page of
them is opened in Chromium without a window, each time in a new tab. Times are those that the browser itself tells:
"opened_seconds" from the start of the navigation to the end of its load event, scripts run; "sorted_seconds" and
"filtered_seconds" for the scripts behind a click on a heading of the overview and behind a text that is looked for.
Each is the median of some repetitions. Needs chromium, chromedriver and selenium.

Writes page_opening.json and page_opening.csv.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from runs import QUICK_FIT, Records, attempt, command_line
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from tables import read

from hyconex_sklearn import HyConExClassifier

TABLES, QUICK_TABLES = ("cancer", "iris"), ("iris",)
SIZES, QUICK_SIZES = (2_000,), (50,)
REPEATS, QUICK_REPEATS = 9, 1

OPENED = 'return performance.getEntriesByType("navigation")[0].loadEventEnd'
WORKED = """
const start = performance.now();
const box = document.getElementById("text");
if (arguments[0] === "sorted") document.querySelector("#sorters th:nth-child(4) button").click();
else { box.value = "1"; box.dispatchEvent(new Event("input")); }
document.body.offsetHeight; // has the page laid out anew
return performance.now() - start;
"""


def write_page(name: str, size: int, folder: Path) -> Path:
    """Write the page of some counterfactuals of a table."""
    X, y = read(name)
    clf = HyConExClassifier(random_state=0, **QUICK_FIT).fit(X, y)
    rows = np.random.default_rng(0).integers(len(X), size=size)
    asked = X.iloc[rows].reset_index(drop=True) if isinstance(X, pd.DataFrame) else X[rows]
    return clf.counterfactuals(asked, target="second", search="one_shot").to_html(folder / "page.html")


def browser(folder: Path) -> Chrome:
    """Start a browser without a window."""
    options = ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.binary_location = str(shutil.which("chromium"))  # else selenium looks for one in the network
    return Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))


def measure(name: str, size: int, quick: bool) -> dict[str, Any]:
    """Write a page, open it, and return the times."""
    times: dict[str, list[float]] = {"opened": [], "sorted": [], "filtered": []}
    with tempfile.TemporaryDirectory() as place:
        page = write_page(name, size, Path(place))
        bytes_ = page.stat().st_size
        driver = browser(Path(place))
        try:
            for _ in range(QUICK_REPEATS if quick else REPEATS):
                driver.switch_to.new_window("tab")
                driver.get(page.as_uri())
                told = [driver.execute_script(OPENED)]
                told += [driver.execute_script(WORKED, work) for work in ("sorted", "filtered")]
                for key, milliseconds in zip(times, told, strict=True):
                    times[key].append(milliseconds / 1_000)
        finally:
            driver.quit()
    return {"bytes": bytes_, **{f"{key}_seconds": statistics.median(found) for key, found in times.items()}}


def main() -> None:
    """Measure every page that has no record yet."""
    options = command_line(__doc__).parse_args()
    records = Records(options.output, "page_opening", options.quick)
    tables = options.tables or (QUICK_TABLES if options.quick else TABLES)
    for key in records.missing(table=tables, counterfactuals=QUICK_SIZES if options.quick else SIZES):
        records.add(key, attempt(measure, key["table"], key["counterfactuals"], options.quick))


if __name__ == "__main__":
    main()
