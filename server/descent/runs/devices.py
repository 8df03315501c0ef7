"""Which device each run of this server trains on.

Under `auto` that is the faster one for the experiment, found out once: a worker for each device builds it
there, takes steps for half a second, and ends.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from descent.contract.entry import Entry
from descent.engine import device as machine
from descent.engine.messages import Measured, NotMeasured, Output, RunSpec
from descent.errors import NoDevice
from descent.protocol import Device
from descent.runs.choices import Choice, Choices, chosen, key_of
from descent.runs.run import Run
from descent.settings import Settings
from descent.workers.executor import Executor

WITHIN = 60.0  # seconds for one device, to load what it needs, build the experiment and take the steps


def offered_by(settings: Settings) -> tuple[str, ...]:
    """What may be asked for beside `auto`. A cluster is asked for a GPU by name alone, since this machine
    does not know whether it has any.
    """
    return (machine.CPU, "cuda") if settings.executor == "ray" else machine.offered()


class Devices:
    """The devices that this server's runs may train on, and what it knows of them."""

    def __init__(self, settings: Settings, executor: Executor, runs: Mapping[str, Run]) -> None:
        self._settings = settings
        self._executor = executor
        self._runs = runs
        self._choices = Choices(settings.home / "devices.json")
        self._turn = asyncio.Semaphore(1)  # two at once would measure each other

    @property
    def offered(self) -> tuple[str, ...]:
        """What may be asked for beside `auto`."""
        return offered_by(self._settings)

    def place(self, asked: Device) -> tuple[str, ...]:
        """The device of a new run; several: those of which the faster one is to be found.

        Raises `NoDevice`.
        """
        devices = self.offered
        if self._settings.executor == "ray" and asked == "auto":
            return (machine.CPU,)
        alive = [run for run in self._runs.values() if not run.ended and not run.own_loop]
        busy = Counter(run.among[-1] if run.among and not run.choice else run.device for run in alive)
        return machine.pick_device(asked, devices, busy)

    def need(self, run: Run) -> None:
        """Raises `NoDevice` where the device that a recorded run trained on is not here."""
        kind = machine.kind_of(run.device)
        if run.device in self.offered or kind in self.offered:
            return
        if run.device == kind and kind in map(machine.kind_of, self.offered):  # of an early version
            return
        raise NoDevice(
            f"device: run {run.id} trained on {run.device}, which is not here; there are "
            f"{', '.join(self.offered)}. Begin a new run with its knobs on one of them",
            "device",
            reason="gone",
            asked=run.device,
            offered=", ".join(self.offered),
        )

    def known(self, entry: Entry, knobs: Mapping[str, Any], among: tuple[str, ...]) -> Choice | None:
        """What was found before for a run with these knobs; None too where there is nothing to choose."""
        return self._choices.get(key_of(entry, knobs, among)) if len(among) > 1 else None

    async def choose(self, entry: Entry, spec: RunSpec, among: tuple[str, ...]) -> Choice:
        """Find the fastest of some devices for the run of `spec`, and remember it."""
        key = key_of(entry, spec.knobs, among)
        async with self._turn:
            if (known := self._choices.get(key)) is not None:  # while this one waited
                return known
            rates: dict[str, float] = {}
            failed: dict[str, str] = {}
            for device in among:
                answer = await self._measured(replace(spec, device=device, measure=True, paused=False))
                kind = machine.kind_of(device)
                match answer:
                    case Measured(rate=rate):
                        rates[kind] = rate
                    case NotMeasured(reason=reason):
                        failed[kind] = reason
                    case _:
                        failed[kind] = str(answer)
            choice = chosen(rates, failed)
            if rates:  # what no device can train is a run's own fault, and is said by it
                self._choices.keep(key, choice)
            return choice

    async def _measured(self, spec: RunSpec) -> Output | str:
        """What a worker says first: how fast it is, or why that is not known."""
        said: asyncio.Queue[Output | str] = asyncio.Queue()
        try:
            worker = await self._executor.start(spec, said.put_nowait, said.put_nowait)
        except (OSError, EOFError) as error:
            return f"no worker could be started: {error}"
        try:
            return await asyncio.wait_for(said.get(), WITHIN)
        except TimeoutError:
            return f"no step was taken within {WITHIN:g} s"
        finally:
            worker.kill()
