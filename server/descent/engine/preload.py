"""Imported once by the fork server, so that a worker starts in milliseconds. Must never touch CUDA."""

from __future__ import annotations

import torch._dynamo  # noqa: F401 — the first optimizer built would load it, for 0.7 s

import descent.cli
import descent.engine.worker  # noqa: F401
from descent.registry import experiments

experiments()
