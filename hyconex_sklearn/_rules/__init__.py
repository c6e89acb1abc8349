"""What the user says may change comes in, the set of encoded rows that each row may become goes out.

In: an `Actionability`, the schema and the query rows, in their own units and encoded. Out: a `FeasibleSet`, whose
`settle` is a hard projection: what it returns can be held by a table, and a rule that it says is obeyed is obeyed by
the decoded row.

Read: `actionability`, `plain_rules` and `plain_values` (rules as checked, plain data), `described` (the same as JSON),
`read` (each rule against a schema), `grids` (what numbers may become), `table_rules` (all of them against a table, and
the last word on which rows of cells obey), `compile` (what they allow encoded rows), `relations` (sums of numbers),
`kept_relations` (equations that all training rows obeyed), `judge` (what each rule means), `feasible_set` (the
projection), `user_repair` (the user's own function, made part of the rules), `conflicts` (rows that the rules leave no
way, told).
"""
