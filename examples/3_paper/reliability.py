"""Write the page on reliability from the records of the scripts that try to break things.

    python examples/3_paper/reliability.py --records docs/reliability --page docs/reliability.md

Scripts: input_storm, altered_files, interrupted_saves, kept_sizes, threads, memory; those that have not run are left
out. What mutation testing found is in mutation.json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from pages import Page, write_page
from summaries import markdown, number

INTRODUCTION = """# Reliability

What was done to break the package, and what became of it. This page is written by `examples/3_paper/reliability.py`
from the records in [reliability](reliability), which the scripts named below wrote. What is promised, and what is not,
stands in [SECURITY](../SECURITY.md)."""
STORM = {
    "sessions": "sessions",
    "valid": "valid result",
    "fit_refused": "fit refused",
    "query_refused": "query refused",
    "failed": "anything else",
}
ALTERED = {
    "kind": "alteration",
    "files": "files",
    "refused": "refused",
    "same": "same answers",
    "another_model": "another model",
    "another_table": "another table",
    "failed": "anything else",
    "slowest_seconds": "slowest, seconds",
}
KILLED = {
    "file_bytes": "file, bytes",
    "kills": "kills",
    "old": "old file",
    "new": "new file",
    "neither": "neither",
    "scratch_left": "scratch file left",
}
KEPT = {
    "table": "table",
    "rows": "rows fitted to",
    "columns": "columns",
    "file_bytes": "file, bytes",
    "pickle_bytes": "pickle, bytes",
    "joblib_bytes": "joblib, bytes",
    "same": "same answers after loading",
}
MEMORY = {
    "piece": "what",
    "rows": "rows",
    "columns": "columns",
    "classes": "classes",
    "input": "input, MB",
    "output": "output, MB",
    "extra": "more at the peak, MB",
}
THREADS = {
    "threads": "threads",
    "calls": "calls",
    "different": "different answers",
    "raised": "raised",
    "settings_kept": "global settings as before",
}
MUTATED = {
    "module": "module",
    "made": "mutants",
    "tried": "tried (drawn at random)",
    "killed_before": "noticed at first",
    "killed_after": "noticed by now",
    "survived_after": "left",
}


def lines(frame: pd.DataFrame, columns: Mapping[str, str]) -> str:
    """Return records as a table, one line each."""
    shown = {name: label for name, label in columns.items() if name in frame}
    values = ([_cell(value) for value in row] for row in frame[list(shown)].itertuples(index=False))
    return markdown(shown.values(), values)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else str(value)


def storms(page: Page) -> None:
    """Generated tables."""
    _section(
        page,
        "Input storms",
        "input_storm",
        "Generated tables of every dtype that we could think of, of extreme values, odd names and indices, are fitted "
        "with varying parameters and asked about, often by a table unlike the fitted one. A result is valid if nothing "
        "in it is NaN, no row is lost, no unasked cell changed and no rule is broken; a refusal is a ValueError or "
        "TypeError that says what to do.",
        STORM,
    )


def altered(page: Page) -> None:
    """Model files, damaged and hostile."""
    _section(
        page,
        "Altered model files",
        "altered_files",
        "Copies of a good file, damaged by chance, or changed by someone who recomputes the checksum. Loading one has "
        'to give a ValueError, or a model that answers; "same answers": altered where nothing is read, or not altered '
        'at all; "another model", "another table": a valid file of other contents, which only a hostile hand makes. '
        "Measured before the sizes of networks were read off their tensors; the tests alter some hundred files of "
        "today.",
        ALTERED,
    )


def killed(page: Page) -> None:
    """Processes killed while they save."""
    _section(
        page,
        "Interrupted saves",
        "interrupted_saves",
        "A process that saves over an older file, again and again, is killed at a random moment.",
        KILLED,
    )


def kept(page: Page) -> None:
    """Sizes of files."""
    _section(
        page, "Sizes", "kept_sizes", "Models with default settings, before the header lost the sizes of networks.", KEPT
    )


def threads(page: Page) -> None:
    """Many threads, one estimator."""
    _section(
        page,
        "Threads",
        "threads",
        "Every answer of several threads that ask one estimator is compared, bit for bit, with that of a single "
        "thread. What threads do share: while one fits, the others see a seeded random state and float32 as the "
        "default dtype of torch, and fits take turns (`max_time` counts the waiting); while a pipeline is probed "
        "for rules, warnings of all threads are hidden; and where two threads read nullable columns at the same "
        "moment, pandas may leave RuntimeWarnings hidden, since before Python 3.14 filters of warnings belong to "
        "all threads. Another `n_jobs` may change the last bits of an answer. A forked child computes on one "
        "thread, since those of its parent were not forked along.",
        THREADS,
    )


def memory(page: Page) -> None:
    """Peak memory."""
    frame = page.records("memory")
    if frame is None:
        return
    _section(
        page,
        "Memory",
        "memory",
        "Resident memory at its peak, beyond what the process held before (the input included) and beyond the answer. "
        "Large queries are answered block by block. What stays for the length of a query is the encoded table (four "
        "bytes for each encoded cell), and, where rules are given, their bounds for each row. The large tables are "
        "fitted in steps of 2,048 rows; the first one is a file that is mapped into memory, whose pages do not count.",
        MEMORY,
    )
    fits = frame[frame["piece"].str.startswith("fit")].sort_values("rows")
    if len(fits) == 2:
        slope = fits["extra"].diff().iloc[-1] / fits["input"].diff().iloc[-1]
        page.add(f"A fit: {slope:.1f} MB more for each MB that the table is larger.")


def mutation(page: Page) -> None:
    """Mutation testing."""
    frame = page.records("mutation")
    if frame is not None:
        page.add(
            "## Mutation testing",
            "The code is changed in one place at a time, and the tests are run: do they notice? Done once, before "
            "the modules were moved into rooms: they bear their old names here. What went unnoticed and matters got a "
            "test; what is left was judged one by one, in [mutation.json](reliability/mutation.json).",
            lines(frame, MUTATED),
        )


def _section(page: Page, title: str, name: str, text: str, columns: Mapping[str, str]) -> None:
    frame = page.records(name)
    if frame is not None:
        page.head(title, name, frame)
        page.add(text, lines(frame, columns))


SECTIONS: tuple[Callable[[Page], None], ...] = (storms, altered, killed, kept, threads, memory, mutation)


if __name__ == "__main__":
    write_page(__doc__, INTRODUCTION, SECTIONS)
