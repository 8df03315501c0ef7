"""What is taken out of a run at a step: a worker of its own goes back there, and hands over tensors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from descent import errors
from descent.contract.entry import Entry
from descent.engine.borrowed import Borrowed
from descent.engine.messages import NotTaken, Output, Replay, RunSpec, Taken
from descent.runs import knobs as knob_check
from descent.runs.history import History
from descent.runs.run import Run
from descent.settings import Settings
from descent.store.schema import RunRow
from descent.workers.executor import Executor

AT_ONCE = 2  # workers; each trains for a second or so, and has the experiment in memory
WAITING = 8
WITHIN = 300.0  # seconds to go back; where most checkpoints have made room, that is a long way


What = Literal["weights", "onnx"]


def spec_of(
    run: Run | RunRow,
    entry: Entry,
    borrowed: Mapping[str, Borrowed],
    replay: Replay,
    settings: Settings,
    what: What,
) -> RunSpec:
    """How to take `what` where `replay` leads to. Raises `BadKnob` where data it needs is not here."""
    knob_check.need_data(entry, run.built_with, settings.data_folders)
    return RunSpec(
        run=run.id,
        experiment=entry.id,
        code=entry.code,
        knobs=run.built_with,
        seed=run.seed,
        streams=run.streams,
        borrowed=borrowed,
        device=run.device,
        data=tuple(map(str, settings.data_folders)),
        cores=entry.cls.cores,
        memory_mb=settings.run_mb,
        replay=replay,
        take=what,
    )


class Takings:
    """What this server is taking out of runs."""

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._settings = settings
        self._executor = executor
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._asked = 0

    async def take(self, history: History, run: Run, step: int | None, what: What) -> Taken:
        """What a run has after `step` steps, or at its recorded end: its weights as a safetensors file, or
        its model as an ONNX file.

        Raises `NotRecorded`, `BadField`, `BadKnob`, `BadCheckpoint`, `NoWeights`, `NoOnnx`, `NotInstalled`,
        `TooManyTaken`, `NoAnswer` and `WorkerLost`.
        """
        if self._asked >= AT_ONCE + WAITING:
            raise errors.TooManyTaken("the weights of other runs are being taken; try again later", "run")
        self._asked += 1
        try:
            async with self._turn:
                replay, _ = await history.plan(run, step)
                spec = spec_of(run, run.entry, run.borrowed, replay, self._settings, what)
                return await self._worked(spec)
        finally:
            self._asked -= 1

    async def _worked(self, spec: RunSpec) -> Taken:
        said: asyncio.Queue[Output | str] = asyncio.Queue()
        try:
            worker = await self._executor.start(spec, said.put_nowait, said.put_nowait)
        except (OSError, EOFError) as error:
            raise errors.WorkerLost(
                f"no worker could be started: {error}", "run", cause=str(error)
            ) from error
        try:
            answer = await asyncio.wait_for(said.get(), WITHIN)
        except TimeoutError:
            raise errors.NoAnswer(
                f"it took more than {WITHIN:g} s to go back to that step; choose a later one", "step"
            ) from None
        finally:
            worker.kill()
        match answer:
            case Taken():
                return answer
            case NotTaken(problem=problem):
                raise errors.again(problem)
        raise errors.WorkerLost(f"the weights could not be taken: {answer}", "run", cause=str(answer))
