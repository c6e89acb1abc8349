"""What a notebook shows of results and estimators."""

from __future__ import annotations

import dataclasses
import re
from html import escape

import numpy as np
import pandas as pd
import pytest
import sklearn
from _models import fast, mixed
from _results import HOSTILE, adults, hostile, result
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from hyconex_sklearn import HyConExClassifier, Status

DOCS = "https://hyconex-sklearn.readthedocs.io/en/stable/api/HyConExClassifier.html#hyconex_sklearn.HyConExClassifier"


def test_the_caption_counts_rows_answers_and_outcomes() -> None:
    cf = adults()
    statuses = ["ok", "not_valid", "ok"]
    page = result(cf.original, cf.data, row=[0, 0, 1], status=statuses)._repr_html_()
    assert "<caption>3 counterfactuals for 2 rows: 2 ok, 1 not_valid</caption>" in page
    assert "<caption>1 counterfactual for 1 row: 1 ok</caption>" in cf[:1]._repr_html_()
    many = result(np.zeros((1_500, 1)), np.ones((1_500, 1)))._repr_html_()
    assert "<caption>1,500 counterfactuals for 1,500 rows: 1,500 ok</caption>" in many and len(many) < 10_000
    assert "<caption>0 counterfactuals for 0 rows</caption>" in cf[:0]._repr_html_()


def lines(page: str) -> list[list[str]]:
    """The cells of each line of the table's body, as they are marked up."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    return [re.findall(r"<td.*?</td>", line) for line in body.split("<tr")[1:]]


def test_what_does_not_change_is_faded() -> None:
    cells = lines(adults()._repr_html_())[0][-4:]
    assert ["hyconex-changed" in cell for cell in cells] == [True, False, True, False]
    assert ["hyconex-same" in cell for cell in cells] == [False, True, False, True]


def test_the_alternatives_of_a_row_stand_together() -> None:
    X = np.zeros((5, 1))
    cf = result(X, X + 1, row=[3, 3, 3, 4, 3], rank=[0, 1, 0, 0, 0], target=["a", "a", "b", "b", "b"])
    page = cf._repr_html_()
    first, second, third, fourth, last = lines(page)
    assert first[:3] == ['<td rowspan="3">3</td>', '<td rowspan="2">a</td>', "<td>0</td>"]
    assert second[0] == "<td>1</td>" and third[:2] == ["<td>b</td>", "<td>0</td>"]
    assert fourth[:2] == ["<td>4</td>", "<td>b</td>"] and last[:2] == ["<td>3</td>", "<td>b</td>"]
    assert page.count('<tr class="hyconex-first">') == 3


def test_rows_that_second_opinions_would_decide_otherwise_are_told() -> None:
    X = np.zeros((4, 1))
    page = result(X, X + 1, row=[0, 0, 1, 2], support_before=[0.2, 0.2, 0.8, 0.4])._repr_html_()
    assert "<p>Most second opinions predict otherwise for these rows as they are: 0, 2</p>" in page
    assert "second opinions" not in adults()._repr_html_()


@pytest.mark.parametrize("status", list(Status))
def test_the_outcome_tells_what_it_means_when_it_is_pointed_at(status: Status) -> None:
    page = result(np.zeros((1, 1)), np.ones((1, 1)), status=status)._repr_html_()
    assert f'<td title="{escape(status.description)}">{status}</td>' in page


def test_no_result_is_too_wide_for_a_notebook() -> None:
    original = pd.DataFrame(np.zeros((2, 90))).add_prefix("x")
    page = result(original, original + 1)._repr_html_()
    assert (
        page.count('<th scope="col">') == 3 + 30 + 4 and "30 of 90 columns shown: the first of 90 that change" in page
    )
    long = pd.DataFrame({"name" * 500: ["cell" * 500]})
    page = result(long, long + "!", target="label" * 500)._repr_html_()
    assert not re.search(r"\w{201}", page) and page.count("...") == 4


def test_a_probability_is_never_told_as_a_certainty_that_it_is_not() -> None:
    probability = [0.99996, 0.00004, np.nan]
    page = result(np.zeros((3, 1)), np.ones((3, 1)), probability=probability)._repr_html_()
    assert "<td>&gt;0.99</td>" in page and "<td>&lt;0.01</td>" in page and "<td>unknown</td>" in page


def test_columns_of_report_and_table_do_not_share_a_name() -> None:
    X = pd.DataFrame({"status": ["single"], "rank": ["b"]})
    page = result(X, X.assign(status="married"))._repr_html_()
    names = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert names == ["row", "target", "cf_rank", "probability", "valid", "plausible", "cf_status", "status", "rank"]


def test_a_cell_reads_the_same_in_a_part_as_in_the_whole() -> None:
    before, after = np.zeros((30, 1)), np.full((30, 1), 0.123456)
    after[29] = 5e6
    cf = result(before, after)
    assert "<b>0 &rarr; 0.1</b>" in cf._repr_html_() and cf.explain()[0].startswith("x0 0 -> 0.1 would")
    assert "x0 0 -> 0.1 would" in repr(cf)
    known = dataclasses.replace(cf, ranges=np.array([[0.0, 1.0]]))
    assert known.explain()[0] == known[0].explain()[0] and known[0].explain()[0].startswith("x0 0 -> 0.123 would")


def test_hostile_names_stay_text_in_a_notebook() -> None:
    page = hostile(HOSTILE)._repr_html_()
    assert page.encode() and f"\u2068{HOSTILE[-2]}\u2069" in page and "\u202e" not in page
    assert re.findall(r"<(\w+)", page).count("b") == 2 * len(HOSTILE)
    assert set(re.findall(r"<(\w+)", page)) == set(re.findall(r"<(\w+)", adults()._repr_html_()))


def test_colours_do_for_light_and_dark_notebooks_and_no_script_is_needed() -> None:
    page = adults()._repr_html_()
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"[^-]color:|#[0-9a-f]{3}", style)  # text keeps the notebook's own colour
    assert all(line.startswith(".hyconex ") for line in style.splitlines()[1:] if line)  # and so do other outputs
    assert "<script" not in page and "http" not in page


@pytest.mark.parametrize("fit", [False, True])
def test_the_estimator_links_to_its_own_documentation(fit: bool) -> None:
    clf = mixed()[0] if fit else fast()
    page = clf._repr_html_()
    assert f'href="{DOCS}"' in page
    assert f'href="{DOCS}"' in make_pipeline(StandardScaler(), fast())._repr_html_()


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.8"), reason="shows no texts yet")
def test_the_estimator_shows_every_parameter_with_its_documented_text() -> None:
    page = re.sub(r"\s+", " ", HyConExClassifier()._repr_html_())
    shown = re.findall(r'class="param-doc-description"[^>]*>(.*?)</span>', page)
    told = {text.split(":")[0].strip(): text for text in shown}
    assert told.keys() == set(HyConExClassifier().get_params())
    assert all(len(text.split("<br><br>")[1]) > 15 for text in told.values())
    assert "Weight of the distance between a row and its counterfactual." in told["alpha_proximity"]


def test_a_users_own_subclass_links_nowhere() -> None:
    class Mine(HyConExClassifier):
        pass

    assert isinstance(Mine(), BaseEstimator) and DOCS not in Mine()._repr_html_()
