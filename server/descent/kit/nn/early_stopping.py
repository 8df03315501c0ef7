"""Early stopping: the weights of the lowest validation loss, once there has been no lower one for a while.

Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), §7.8, algorithm 7.1.
"""

from __future__ import annotations

import math

MOST_PATIENT = 100  # epochs


class EarlyStopping:
    """Follows the validation loss by epoch, and records for every patience where it would have stopped."""

    def __init__(self, most: int = MOST_PATIENT) -> None:
        """`most`: the longest patience that is followed, in epochs."""
        self.most = most
        self.best = math.inf
        self.best_epoch = 0
        # By patience: the first epoch after that many without a lower loss, the best before it, and its loss.
        self.stops: list[tuple[int, int, float]] = []

    def see(self, epoch: int, loss: float) -> bool:
        """Take in the next epoch's loss; returns whether it is the lowest so far."""
        better = loss < self.best
        if better:
            self.best, self.best_epoch = loss, epoch
        waited = epoch - self.best_epoch
        if waited == len(self.stops) <= self.most:  # waiting grows by one at a time: no patience is missed
            self.stops.append((epoch, self.best_epoch, self.best))
        return better

    def stop(self, patience: int) -> tuple[int, int, float] | None:
        """The epoch at which it stops, the best one before, and its loss; None while it goes on."""
        return self.stops[patience] if patience < len(self.stops) else None
