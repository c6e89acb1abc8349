"""Encoded rows come in, judgements go out: what the fitted networks say of a row, and what a certificate asks of it.

In: float32 rows of shape (n, d), targets of shape (n,). Out: logits, log-densities, votes, and what a row lacks.

Read: `encoded_space` (positions and bounds as tensors), `level_embedding` (short vectors in the place of many levels),
`classifier` (logits), `hypernetwork` (a linear model of them around each row, whose weights are steps), `flow` (numbers
to latents and back), `density` (how likely a row is in each class), `committee` (a second opinion), `losses` (the terms
of training), `certificate` (what is judged and demanded), `model` (all of it together), `contributions` (what each
column adds to the logits).
"""
