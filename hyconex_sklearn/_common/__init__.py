"""What every room may use and none is about: checks, torch's settings, files; it knows neither tables nor models.

In: values, functions and tensors as they come. Out: the same, checked, bounded or written.

Read in any order: `messages` (lists and places in messages), `parameters` (constructor parameters and keywords of a
query), `other_names` (what other tools call those), `positions` (what an index stands for), `runtime` (threads, seeds,
devices, chunks), `atomic_file` (a file is there in full or not at all), `pyplot` (matplotlib, imported late),
`progress` (bars).
"""
