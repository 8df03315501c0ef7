"""What the server asks of whatever trains its runs: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from descent.engine.messages import Control, Output, RunSpec
from descent.settings import Settings


class Interruption(str):
    """Why a run's worker is gone, where that says nothing of the run: its node or its cluster was lost."""


class Worker(Protocol):
    """One run's worker, seen from the server. No method blocks."""

    def send(self, control: Control) -> None:
        """Send a command; lost if the worker is gone, which is reported separately."""

    def kill(self) -> None:
        """End the worker at once."""

    def close(self) -> None:
        """Release what leads to a worker that has ended."""


@dataclass(frozen=True)
class Room:
    """Among how many workers a sweep may be divided, the first included, and how many seconds a further one
    takes until it trains.
    """

    workers: int = 1
    beginning: float = 0.0


class Executor(Protocol):
    """Starts runs."""

    def warm_up(self) -> None:
        """Begin whatever the first run would else wait for."""

    async def start(
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> Worker:
        """Start a run. In the event loop, `deliver` gets each message, and `ended` at last the reason for
        which the worker is gone.

        Raises `OSError` or `EOFError`, which says why, if no worker can be started.
        """

    async def room(self, device: str, cores: int = 1) -> Room:
        """The room that a sweep has now, each of whose workers takes this device and so many cores."""

    def close(self) -> None:
        """Let go of what all runs shared; every worker was killed before."""


def executor_of(settings: Settings) -> Executor:
    """The executor that the settings name."""
    from descent.workers.process import LocalExecutor

    if settings.executor == "ray":
        from descent.workers.on_ray.executor import RayExecutor

        return RayExecutor(settings.ray_address, LocalExecutor() if settings.ray_else_local else None)
    return LocalExecutor()
