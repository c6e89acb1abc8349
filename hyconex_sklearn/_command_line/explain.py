"""A model and rows in; sentences, a table or a page of their counterfactuals out."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from .arguments import LAYOUT_NAMES
from .asking import ask, load_model
from .console import UsageError, listed, say
from .layouts import LAYOUTS
from .rows import query_of, row_names, table_for
from .tables import check_kind, check_outputs, read_table, write_table


def run(arguments: argparse.Namespace) -> None:
    """Answer each row of a file with counterfactuals."""
    written_to = {"--output": arguments.output, "--report": arguments.report}
    read_from = {"MODEL": arguments.model, "ROWS": arguments.data}
    if arguments.rules is not None:
        read_from["--rules"] = arguments.rules
    check_outputs(written_to, read_from, arguments.force)
    if arguments.output is not None:
        check_kind(arguments.output)
    if arguments.row_names is not None and arguments.report is None:
        raise UsageError("--row-names tells what the page calls its rows; give --report FILE, too.")
    if arguments.layout is not None and arguments.output is None:
        raise UsageError("--layout tells how the table is written; give --output FILE, too.")
    classifier = load_model(arguments.model)
    table = read_table(arguments.data, arguments.separator)
    names = None if arguments.row_names is None else row_names(table, arguments.row_names)
    X, extra = table_for(classifier, table)
    cf = ask(classifier, X, query_of(arguments, classifier))
    if arguments.report is not None:
        cf.to_html(arguments.report, title=f"Counterfactuals of {Path(arguments.data).name}", row_names=names)
    if arguments.output is not None:
        write_table(
            arguments.output, *LAYOUTS[arguments.layout or LAYOUT_NAMES[0]](cf, table, extra), arguments.separator
        )
    if arguments.output is None and arguments.report is None:
        for row, sentence in zip(cf.report["row"], cf.explain(), strict=True):
            say(f"row {row}: {sentence}")
        return
    told = Counter(cf.report["status"].astype(str))
    say(f"{len(cf)} counterfactuals of {len(X)} rows: {listed(f'{n} {status}' for status, n in told.most_common())}")
    say(f"written: {listed(path for path in written_to.values() if path is not None)}")
