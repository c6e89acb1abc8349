"""A table comes in, a matrix of numbers goes out, and back into the very container, dtypes and units that came in.

In: tables of pandas, polars and Arrow, and arrays of shape (n, n_features), of numbers, booleans, text, categories and
gaps. Out: float32 matrices of shape (n, d), the schema that tells what stands where, and tables again.

Read: `containers` and `rows` (whatever holds cells becomes a DataFrame of pandas or an array, once, at the border),
`check_input` and `check_labels` (what passes), `cells` and `column_io` (one table, one column, whatever it is made of),
`row_labels` and `labelled` (what rows are called, and which value is whose), `grid` (the numbers that a column can
hold), `units` (numbers to encoded units and back), `schema` (where each column lives), `possible_values` (those of a
column between two ends), `learn_column` (cells of a column to its place in the schema) and `text_numbers` (which tells
of numbers left as text), `codec` (whole tables, both ways), `concatenate` (answers of several blocks as one), and
`learn_relations` (what all rows obey between columns: equations of `learn_exact` and orders of `learn_orders`, each a
`found_relation`).
"""
