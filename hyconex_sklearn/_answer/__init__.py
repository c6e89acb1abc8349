"""Counterfactual rows and their judgements come in; a report, changes, sentences, a table and a page go out.

In: tables of shape (m, n_features) before and after, and one judgement for each row. Out: `Counterfactuals`, which
users hold, cut, print and write.

Read: `status` (what can become of a row), `report` (judgements as a table), `contributions` (what each changed cell
adds to the log-odds), `about` (what model was asked, under what rules), `intervals` (how far changed values may go) and
`reach` (how that is found, by a judge of rows), `wording` (values as text), `words` (what columns, units and sentences
are called), `rows` (the rows, checked to fit together), `changes` (changed cells), `sentences` (about them),
`rules_in_words`, `side_by_side` (a row beside its alternatives), `notebook`, `page`, and `counterfactuals`, which
offers all of it.
"""
