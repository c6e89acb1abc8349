"""Settings that hold for every test."""

from __future__ import annotations

import os

# Before torch is first imported: tests fit small models, and two threads that share a step wait more than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# The first example may import torch or compile a kernel: time says nothing about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
