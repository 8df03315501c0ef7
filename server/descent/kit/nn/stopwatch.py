"""How long the steps of learners take that are trained side by side."""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from descent.contract import Transient


class Stopwatch(Transient):
    """Mean seconds that a step of each of some learners takes, for the gradient and for the update.

    Time is no part of what a seed determines: after a checkpoint is restored, measuring starts over.
    """

    def __init__(self, learners: int, device: torch.device) -> None:
        # CPU time: on a busy machine a step takes longer, but no more computation.
        self.now = time.thread_time if device.type == "cpu" else time.perf_counter
        self._seconds = np.zeros((learners, 2))
        self._steps = np.full(learners, -1)  # the first step warms caches up and counts for nothing

    def note(self, learner: int, gradient: float, update: float) -> None:
        """Take in one step's seconds."""
        self._steps[learner] += 1
        if self._steps[learner]:
            self._seconds[learner] += gradient, update

    def means(self) -> np.ndarray:
        """(learners, 2); NaN before it has measured any."""
        steps = np.where(self._steps > 0, self._steps, math.nan)
        found: np.ndarray = self._seconds / steps[:, None]
        return found
