"""Imported once by the fork server, so that a worker starts in milliseconds. Must never touch CUDA."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which then ends this process too

import sklearn.datasets  # noqa: E402, F401 — experiments read their data from it; 0.5 s
import torch._dynamo  # noqa: E402, F401 — the first optimizer built would load it, for 0.7 s

import descent.cli.main  # noqa: E402
import descent.workers.worker  # noqa: E402, F401
from descent.registry import experiments  # noqa: E402

experiments()
