"""The report page in a real browser: choosing, filtering, keyboard, hostile names, phone, dark, print."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _browser import Browser, browser
from _results import HOSTILE, hostile, result

from hyconex_sklearn import Counterfactuals, Status
from hyconex_sklearn._answer.about import About
from hyconex_sklearn._answer.intervals import Intervals
from hyconex_sklearn._answer.wording import isolated, plain

FIRST = "section:nth-of-type(2)"  # the first alternative, below all of them side by side
TAB, ENTER, SPACE, DOWN = "\ue004", "\ue007", " ", "\ue015"


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(autouse=True)
def quiet(chrome: Browser) -> Iterator[None]:
    """Whatever a test does, the page says nothing to the console and asks for nothing but its own file."""
    chrome.complaints(), chrome.requests()
    yield
    assert chrome.complaints() == []
    asked = {re.sub(r"^(blob:)?file://.*(\.html(#\w+)?|[0-9a-f-]+)$", r"\1file", url) for url in chrome.requests()}
    assert asked <= {"file", "data:,", "blob:file"}


@cache
def cases() -> Counterfactuals:
    """Six answers to three rows, two targets each: of every kind of column, and of several outcomes."""
    first = pd.DataFrame({"age": [38, 52, 61], "income": [1200.0, 3100.0, np.nan], "job": ["clerk", "nurse", "pilot"]})
    original = first.loc[first.index.repeat(2)].reset_index(drop=True)
    data = original.copy()
    data.loc[[0, 2, 3], "age"] = [45, 30, 70]
    data.loc[[0, 4], "income"] = [2400.0, 800.0]
    data.loc[[1, 2], "job"] = ["pilot", "clerk"]
    report = {
        "row": [0, 0, 1, 1, 2, 2],
        "target": ["yes", "maybe"] * 3,
        "prediction": ["yes", "maybe", "yes", "no", "yes", "maybe"],
        "valid": [True, True, True, False, True, True],
        "status": [Status.OK, Status.UNSURE, Status.OK, Status.NOT_VALID, Status.IMPLAUSIBLE, Status.ALREADY_TARGET],
    }
    cf = result(original, data, **report)
    ends = {
        "ranges": np.array([[16, 99], [0.0, 90_000.0], [np.nan, np.nan]]),
        "usual": np.array([[18, 80], [500.0, 9000.0], [np.nan, np.nan]]),
    }
    rules = {"immutable": ("job",), "bounds": {"income": (None, 5000.0)}, "max_changes": 2}
    about = About(("yes", "maybe", "no"), rules, "2026-03-01", 0.934)
    before = np.array(["no"] * 4 + ["maybe"] * 2)
    return dataclasses.replace(cf, **ends, about=about, prediction_before=before)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases().to_html(tmp_path_factory.mktemp("pages") / "page.html", title="Your case")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty columns with long names, all of which change, in 2,000 rows."""
    rng = np.random.default_rng(0)
    names = [f"column {j} with a name that is longer than it should be" for j in range(28)]
    names += ["W" * 200, "שם ארוך מאוד " * 9]
    before, after = (pd.DataFrame(rng.normal(0, 1e4, (2_000, 30)), columns=names) for _ in range(2))
    cf = dataclasses.replace(result(before, after), ranges=np.tile([-4e4, 4e4], (30, 1)))
    return cf.to_html(tmp_path_factory.mktemp("pages") / "wide.html", title="W" * 200)


def is_on(chrome: Browser, selector: str) -> bool:
    return bool(chrome.element(selector).get_attribute("aria-disabled") == "false")


def sentences(chrome: Browser) -> list[str]:
    return [text.replace("→", "->") for text in chrome.texts(".sentence")]


# ----------------------------------------------------------------------------------------------------------- choosing


def test_the_chosen_row_is_shown_with_its_prediction_and_alternatives(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    told = cases().explain()
    assert chrome.texts("h1") == ["Your case"] and chrome.driver.title == "Your case"
    assert chrome.texts("h2") == ["Row 0"] and chrome.texts(".prediction") == ["The model predicts no."]
    assert sentences(chrome) == told[:2]
    assert chrome.texts("h3") == ["Side by side", "1. To be predicted as yes", "2. To be predicted as maybe"]
    chrome.choose("#row", "Row 2")
    assert chrome.texts("h2") == ["Row 2"] and sentences(chrome) == told[4:]
    assert chrome.texts(".prediction") == ["The model predicts maybe."]
    assert chrome.texts(".outcome .badge") == ["! Unusual values", "= Already so"]


def test_buttons_go_from_row_to_row_and_stop_at_the_ends(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    seen = []
    assert not is_on(chrome, "#previous")
    while is_on(chrome, "#next"):
        seen += chrome.texts("h2")
        chrome.element("#next").click()
    assert seen + chrome.texts("h2") == ["Row 0", "Row 1", "Row 2"]
    assert chrome.texts("#shown") == ["Row 2 is shown, predicted maybe."]  # what a screen reader tells
    chrome.element("#next").click()  # which does nothing more
    assert chrome.texts("h2") == ["Row 2"]
    chrome.element("#previous").click()
    assert chrome.texts("h2") == ["Row 1"]


def test_alternatives_for_one_target_are_numbered(chrome: Browser, tmp_path: Path) -> None:
    X = np.zeros((3, 1))
    cf = result(X, X + 1, row=[0, 0, 0], target=["yes", "yes", "maybe"], rank=[0, 2, 0])  # the second was cut out
    chrome.open(cf.to_html(tmp_path / "page.html"))
    first, second = (f"{i}. To be predicted as yes (alternative {i} of 2)" for i in (1, 2))
    assert chrome.texts("h3") == ["Side by side", first, second, "3. To be predicted as maybe"]


def test_how_far_values_may_go_stands_with_the_change(chrome: Browser, tmp_path: Path) -> None:
    cf = cases()
    found = Intervals.none(*cf.data.shape)
    found.low[0, 0], found.high[0, 0], found.checked[0, 0] = 44, 60, 128
    chrome.open(dataclasses.replace(cf, intervals=found).to_html(tmp_path / "page.html"))
    assert chrome.texts(".within") == ["(44 to 60), 128 values checked"]
    assert chrome.texts(f"{FIRST} p small") == [found.note()] and not chrome.texts("section:last-of-type p small")


def test_numbers_come_with_bars_and_categories_without(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    card = f"{FIRST} .changes li"
    assert [text.split(" becomes ")[0] for text in chrome.texts(f"{card} .pair")] == ["38", "1,200", "0.31"]
    most = "98% of training rows"  # which tell of no outlier
    assert chrome.texts(f"{card} small") == [f"{most}: 18 to 80", f"{most}: 500 to 9,000", "0 to 1"]
    assert len(chrome.texts("section:last-of-type .bar")) == 1  # of the probability
    assert chrome.texts(".legend")[0].endswith(f"range: {most}")
    left, right, track = (
        chrome.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", f".bar{part}")
        for part in (" .before", " .after", "")
    )
    assert (left["x"] - track["x"]) / track["width"] == pytest.approx((38 - 18) / 62, abs=0.01)
    assert (right["x"] - track["x"]) / track["width"] == pytest.approx((45 - 18) / 62, abs=0.01)


def test_a_range_is_told_as_seen_in_training_only_where_it_is_known(chrome: Browser, tmp_path: Path) -> None:
    cf = dataclasses.replace(cases(), ranges=np.array([[18, 80], [np.nan, np.nan], [np.nan, np.nan]]), usual=None)
    chrome.open(cf.to_html(tmp_path / "page.html"))
    told = ["seen in training: 18 to 80", "in this report: 800 to 3100", "0 to 1"]
    assert chrome.texts(f"{FIRST} .changes small") == told
    assert chrome.texts(".legend")[0].endswith("range: seen in training, or in this report")


def lines_of(chrome: Browser, part: str) -> list[list[str]]:
    cells = "[...row.cells].map((cell) => cell.textContent.trim())"
    return chrome.run(f"return [...document.querySelectorAll(arguments[0])].map((row) => {cells})", f"{part} tr")


def test_alternatives_stand_side_by_side_with_what_changes_or_with_all_values(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.choose("#row", "Row 1")
    assert lines_of(chrome, ".compare thead") == [["", "now", "1", "2"]]
    assert lines_of(chrome, ".compare tbody") == [["age", "52", "30", "70"], ["job", "nurse", "clerk", "nurse"]]
    assert chrome.texts(".compare .moved") == ["30", "70", "clerk"]
    assert [line[0] for line in lines_of(chrome, ".compare tfoot")] == ["Prediction", "Its probability", "Outcome"]
    assert lines_of(chrome, ".compare tfoot")[0] == ["Prediction", "no", "yes", "maybe"]
    chrome.element("#all").click()
    assert [line[:2] for line in lines_of(chrome, ".compare tbody")] == [
        ["age", "52"], ["income", "3,100"], ["job", "nurse"],
    ]  # fmt: skip


def test_the_page_says_which_model_was_asked_under_which_rules(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    assert chrome.texts(".about > *") == [
        "Model of", "2026-03-01", "It predicts", "yes, maybe or no",
        "How often right", "93% of the training rows, told by models that had not seen them",
        "Rules", "job must not change", "income at most 5,000", "at most 2 columns may change",
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- overview


def test_the_overview_tells_all_alternatives_and_sorts_them_by_what_is_asked(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    first = ["Row 0", "no", "yes", "2", "0.64", "✓ Meets every check"]
    assert lines_of(chrome, "#overview tbody")[0] == first
    for name, column, key in (("Changes", 3, int), ("Outcome", 5, lambda text: text[2:]), ("Now", 1, str)):
        told = [line[column] for line in lines_of(chrome, "#overview tbody")]
        button = chrome.driver.find_element("xpath", f"//thead//button[starts-with(., '{name}')]")
        for sort, back in (("ascending", False), ("descending", True)):
            button.click()
            found = [line[column] for line in lines_of(chrome, "#overview tbody")]
            assert found == sorted(told, key=key, reverse=back)
            assert chrome.run("return arguments[0].parentElement.ariaSort", button) == sort


def test_a_line_of_the_overview_leads_to_its_row(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.element("#overview tbody tr:nth-child(5) button").click()
    assert chrome.texts("h2") == ["Row 2"] and chrome.run("return document.activeElement.id") == "sheet"
    chrome.choose("#target", "yes")  # which the overview follows, too
    assert [line[:3] for line in lines_of(chrome, "#overview tbody")] == [
        ["Row 0", "no", "yes"], ["Row 1", "no", "yes"], ["Row 2", "maybe", "yes"],
    ]  # fmt: skip


def test_a_single_alternative_needs_no_overview(chrome: Browser, tmp_path: Path) -> None:
    chrome.open(cases()[:1].to_html(tmp_path / "page.html"))
    assert not chrome.element("#overview").is_displayed() and chrome.element(".compare").is_displayed()


def test_a_long_overview_is_drawn_as_far_as_it_is_asked_for(chrome: Browser, wide: Path) -> None:
    chrome.open(wide)
    deadline = time.monotonic() + 30  # drawn once the browser finds time
    while not chrome.texts("#lines tr") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(chrome.texts("#lines tr")) == 100
    chrome.run("document.getElementById('more').click()")
    assert len(chrome.texts("#lines tr")) == 200
    assert chrome.texts("#more") == ["Show more (200 of 2,000 are here)"]


def test_all_of_it_can_be_downloaded_as_csv(chrome: Browser, tmp_path: Path) -> None:
    chrome.open(cases().to_html(tmp_path / "page.html", row_names=["Ann", 'Bob "the <b>"', "Zoë"]))
    chrome.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    chrome.element("#download").click()
    path = tmp_path / "counterfactuals.csv"
    for _ in range(100):
        if path.exists():
            break
        chrome.run("return new Promise((done) => setTimeout(done, 50))")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    table = pd.read_csv(path)
    assert table["name"].tolist() == ["Ann", "Ann", 'Bob "the <b>"', 'Bob "the <b>"', "Zoë", "Zoë"]
    pd.testing.assert_frame_equal(table[["age", "income", "job"]], cases().data, check_dtype=False)
    assert table["status"].tolist() == cases().report["status"].tolist()


# ---------------------------------------------------------------------------------------------------------- filtering


@pytest.mark.parametrize(
    ("field", "option", "kept"),
    [
        ("#feature", "age (3)", [0, 2, 3]),
        ("#feature", "job (2)", [1, 2]),
        ("#target", "maybe (3)", [1, 3, 5]),
        ("#status", "Meets every check (2)", [0, 2]),
        ("#status", "Not found (1)", [3]),
    ],
)
def test_filters_leave_what_was_asked_for_and_count_it(
    field: str, option: str, kept: list[int], chrome: Browser, page: Path
) -> None:
    chrome.open(page)
    assert chrome.texts("#count") == ["6 alternatives for 3 rows."]
    chrome.choose(field, option)
    rows = list(dict.fromkeys(cases().report["row"].iloc[kept]))
    noun = "row" if len(rows) == 1 else "rows"
    assert chrome.texts("#count") == [f"{len(kept)} of 6 alternatives, for {len(rows)} {noun}."]
    assert [text.split(":")[0] for text in chrome.texts("#row option")] == [f"Row {row}" for row in rows]
    shown = []
    for row in rows:
        chrome.choose("#row", f"Row {row}:")
        shown += sentences(chrome)
    assert shown == [cases().explain()[position] for position in kept]


def test_filters_join_keep_the_chosen_row_and_can_be_cleared(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.choose("#row", "Row 2")
    chrome.choose("#target", "yes")
    assert chrome.texts("h2") == ["Row 2"] and len(sentences(chrome)) == 1
    assert "hide 1 other alternative of this row" in chrome.texts("main")[0]
    chrome.choose("#status", "Not found")
    assert chrome.texts("#count") == ["0 of 6 alternatives, for 0 rows."]
    assert "Choose other filters" in chrome.texts("main")[0] and not is_on(chrome, "#next")
    chrome.element("button[type=reset]").click()
    chrome.run("return new Promise((done) => setTimeout(done, 10))")
    assert chrome.texts("#count") == ["6 alternatives for 3 rows."] and chrome.texts("h2") == ["Row 2"]


def test_the_chosen_row_comes_back_when_the_filters_no_longer_hide_it(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.choose("#row", "Row 2")
    chrome.element("#text").send_keys("Row 1")
    assert chrome.texts("h2") == ["Row 1"]
    chrome.element("button[type=reset]").click()
    chrome.run("return new Promise((done) => setTimeout(done, 10))")
    assert chrome.texts("h2") == ["Row 2"]


def test_a_row_is_found_by_what_is_predicted(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.element("#text").send_keys("MAYBE")
    assert chrome.texts("#row option") == ["Row 2: maybe"]


def test_a_row_is_found_by_what_is_in_it(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.element("#text").send_keys("NURSE")
    assert chrome.texts("#row option") == ["Row 1: no"] and chrome.texts("h2") == ["Row 1"]
    chrome.element("#text").send_keys(ENTER)  # which would send a form
    assert chrome.texts("h2") == ["Row 1"] and chrome.driver.current_url == page.as_uri()


# -------------------------------------------------------------------------------------------- keyboard, screen reader


def test_everything_can_be_reached_and_used_by_keyboard_alone(chrome: Browser, page: Path) -> None:
    chrome.open(page)

    def press(key: str) -> str:
        chrome.driver.switch_to.active_element.send_keys(key)
        return chrome.run("const e = document.activeElement; return e.id || e.ariaLabel || e.textContent.trim()")

    assert [press(TAB) for _ in range(28)] == [
        "Skip to the chosen row", "row", "previous", "next", "Show only", "text", "target", "status", "feature",
        "Show all", "download", "All rows at a glance", "All rows at a glance",
        "Row", "Now", "Instead", "Changes", "Probability", "Outcome",
        *("Row 0", "Row 0", "Row 1", "Row 1", "Row 2", "Row 2"), "Side by side", "all", "Print this row",
    ]  # fmt: skip
    chrome.open(page)
    press(TAB)
    assert press(ENTER) == "sheet"
    chrome.open(page)
    press(TAB), press(TAB)
    assert chrome.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(DOWN)
    assert chrome.texts("h2") == ["Row 1"]
    press(TAB), press(TAB)
    assert press(SPACE) == "next" and chrome.texts("h2") == ["Row 2"]  # the last row, and the focus stays


def test_every_control_has_a_name_and_the_page_its_landmarks(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    controls = chrome.driver.find_elements("css selector", "select, input, button:not([hidden]), summary")
    names = [control.accessible_name for control in controls]
    assert all(names) and names[0] == "Row" and len(controls) == 25
    roles = {chrome.element(selector).aria_role for selector in ("header", "main", "form", "footer", "#count")}
    assert roles == {"banner", "main", "form", "contentinfo", "status"}
    headings = chrome.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map((e) => e.localName)")
    assert headings == ["h1", "h2", "h3", "h3", "h3"]
    assert chrome.run("return document.documentElement.lang") == "en"


# Relative luminance and contrast as WCAG 2 defines them, of every visible text on its own background.
CONTRAST = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (e) => { while (e) { const c = parts(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c; e = e.parentElement; } return [255, 255, 255]; };
return [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && !e.disabled && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => { const [a, b] = [luminance(parts(getComputedStyle(e).color)), luminance(ground(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)]; });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str, chrome: Browser, page: Path) -> None:
    chrome.open(page, prefers_color_scheme=scheme)
    for row in ("Row 0", "Row 1", "Row 2"):
        chrome.choose("#row", row)
        found = chrome.run(CONTRAST)
        assert len(found) > 40
        assert [text for contrast, text in found if contrast < 4.5] == []
    ground = chrome.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 382) == (scheme == "light")


# ------------------------------------------------------------------------------------------ odd circumstances


def test_hostile_names_stay_text(chrome: Browser, tmp_path: Path) -> None:
    chrome.open(hostile(HOSTILE).to_html(tmp_path / "page.html", title=HOSTILE[0]))
    assert chrome.texts("h1") == [HOSTILE[0]] and chrome.driver.title == HOSTILE[0]
    assert chrome.run("return document.querySelectorAll('script, img, main b, style').length") == 4
    chrome.element("#all").click()
    lost = {"\ud800 alone": "\ufffd alone"}  # what the driver makes of half of a pair
    expected = [isolated(plain(lost.get(name, name))) for name in HOSTILE]
    assert [lost.get(name, name) for name in chrome.texts("section .name")][:-1] == expected
    assert len(chrome.texts(".compare tbody th")) == len(HOSTILE)


def test_a_name_cannot_turn_the_text_beside_it(chrome: Browser, tmp_path: Path) -> None:
    turning = "\u202eevil <b>"
    cf = hostile([turning, "a"])
    chrome.open(cf.to_html(tmp_path / "page.html", row_names=[turning, "b"]))
    name = isolated(turning)
    assert chrome.texts("#row option")[0] == f"{name}: {name}" and chrome.texts("h2 bdi") == [name]
    assert chrome.texts("#shown") == [f"{name} is shown, predicted {name}."]
    assert "\u202e" not in "".join(chrome.texts("#controls, h2, h3, .prediction, .sentence"))


def test_the_range_stands_out_where_the_reader_chose_the_colours(chrome: Browser, page: Path) -> None:
    chrome.open(page, forced_colors="active")
    style = "const of = (s, p) => getComputedStyle(document.querySelector(s), p).borderTopWidth;"
    assert chrome.run(f"{style} return [of('.bar .range'), of('.sample.range', '::before')]") == ["1px", "1px"]


@pytest.mark.parametrize("width", [320, 360])
def test_nothing_is_wider_than_a_phone(width: int, chrome: Browser, wide: Path) -> None:
    chrome.open(wide, width=width)
    chrome.run("for (const details of document.querySelectorAll('details')) details.open = true")
    chrome.run("return new Promise((done) => setTimeout(done, 10))")
    assert len(chrome.texts(".compare tbody tr")) == 30
    assert chrome.run("return document.documentElement.scrollWidth") == width
    sizes = chrome.run("return [...document.querySelectorAll('button, select')].map((e) => e.offsetHeight)")
    assert min(sizes) >= 40  # room for a finger


def test_only_the_chosen_row_is_drawn(chrome: Browser, wide: Path) -> None:
    chrome.open(wide)
    assert chrome.texts("#count") == ["2,000 alternatives for 2,000 rows."]
    assert len(chrome.texts(".changes")) == 1 and len(chrome.texts("#row option")) == 2_000
    assert chrome.run("return document.querySelectorAll('*').length") < 4_200


def test_a_long_list_of_changes_folds_its_sentence_away(chrome: Browser, wide: Path) -> None:
    chrome.open(wide)
    assert sentences(chrome) == [] and chrome.texts(".card summary") == ["In one sentence"]
    chrome.element(".card summary").click()
    chrome.run("return new Promise((done) => setTimeout(done, 10))")
    assert len(sentences(chrome)) == 1


def test_without_scripts_all_rows_are_told_in_words(chrome: Browser, page: Path) -> None:
    chrome.open(page, scripts=False)
    text = chrome.element("main").text.replace("→", "->")
    chrome.tell("Emulation.setScriptExecutionDisabled", value=False)
    assert all(sentence in text for sentence in cases().explain()) and "Row 2" in text


def test_the_print_holds_the_chosen_row_and_no_controls(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    chrome.choose("#row", "Row 1")
    assert chrome.printed().startswith(b"%PDF")
    chrome.tell("Emulation.setEmulatedMedia", media="print", features=[])
    visible = {
        selector: chrome.element(selector).is_displayed()
        for selector in (
            "#controls",
            "#overview",
            ".print",
            "footer",
            "h1",
            ".note",
            "h2",
            ".card",
            ".bar",
        )
    }
    assert [selector for selector, shown in visible.items() if shown] == ["h1", ".note", "h2", ".card", ".bar"]
    assert chrome.texts("h2") == ["Row 1"]
    assert chrome.run("return getComputedStyle(document.querySelector('.bar')).printColorAdjust") == "exact"


def test_the_page_says_what_a_counterfactual_is_not(chrome: Browser, page: Path) -> None:
    chrome.open(page)
    note = chrome.element("[role=note]").text
    assert "counterfactual" in note and "no advice on what to change in life" in note and "cause and effect" in note
