"""A fitted pipeline or search and a table before its steps come in, answers in the units of that table go out.

In: any nest of steps, column transformers and searches that ends in a classifier that explains itself, and rules about
the columns that go in. Out: `Counterfactuals` whose rows were mapped back, and certified again as they come out.

Read: `counterfactuals` (the way there and back), `explains_itself` (what is asked of the classifier at the end),
`invert_steps` (one step back), `probe_steps` (which column becomes which), `translate_rules` (the user's rules, told
behind the steps), `ranges` and `tips` (what fit has seen, and where predictions change, in the user's units),
`resolution` (which numbers a column holds), `intervals` (how far the values of answers may go).
"""
