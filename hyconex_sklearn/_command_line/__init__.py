"""Files and arguments come in, files and lines of text go out: what the estimator does, without Python.

In: CSV, TSV and Parquet files, model files, what was typed. Out: the same kinds of files, pages, and what is told on
the terminal.

Read: `main` (where a process begins and ends), `arguments` (what can be typed), `fit`, `explain` and `evaluate` (the
commands), `asking` (what they ask a classifier), `tables` (files as columns of text, and back), `text` (text as the
cells that fit has seen, and cells as text), `rows` (tables as a classifier takes them), `layouts` (answers as tables),
`console` (what is told to people), `options` (errors, in the words of who typed).
"""
