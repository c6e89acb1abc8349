"""Files and arguments come in, files and lines of text go out: what the estimator does, without Python.

In: CSV, TSV and Parquet files, model files, what was typed. Out: the same kinds of files, pages, and what is told on
the terminal.

Read: `main` (where a process begins and ends), `arguments` (what can be typed), `commands` (fit, explain, evaluate),
`tables` (files as columns of text, and back), `text` (text as the cells that fit has seen, and cells as text), `rows`
(tables as a classifier takes them, answers as tables), `console` (what is told to people).
"""
