"""Encoded rows and their labels come in, a fitted model goes out.

In: the table, class numbers and weights, and the settings of the estimator. Out: a `Model`, and a record of each epoch.

Read: `rows` (what is held out), `history` (records and the clock), `loop` (what all phases share), then the phases as
they run: `density_phase`, `ensemble` (the teacher) and `classifier_phase`, `step_phase`; `calibrate` (what is read off
unseen rows), `fill_reservoir` (certified rows drawn from the density), and `fit_model`, which calls them in order.
"""
