"""Rows and rules come in, certified counterfactuals go out.

In: a model, encoded rows of shape (n, d), the `FeasibleSet` of these rows, and what is asked. Out: the fields of
`Counterfactuals`, every flag judged from the decoded row that the user will hold.

Read: `query` (what is asked), `one_pass` (what the network proposes), `incumbent` (the best row so far), `ladder`
(which search does what, in which order), its steps `reservoir`, `descend` and `latent` (both by `adam`), `greedy`,
`take_back`, `shorten` and `eliminate` (both by `demand_planes`, which need `planes`), `fewer` (once more, under a cap;
counts are guessed by `fewest`), then `alternatives` (more than one answer), `menu` (those with ever more changed
columns), `answers` (a chunk of rows, in order), `tips` (where a prediction changes on the way) and `explainer` (a whole
table). Tables (pandas) and tensors (torch) meet in `explainer` only.
"""
