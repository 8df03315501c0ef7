"""The workers of one sweep, and the one stream of frames that they give together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from descent import errors, wire
from descent.engine.messages import Output, RunSpec, SweepDivided, SweepFrame, SweepRefused, SweepSpec
from descent.engine.sweep.sweep import SweepMeta, rest_after, told_of
from descent.workers.executor import Executor, Worker


async def frames_of(executor: Executor, spec: RunSpec, order: SweepSpec) -> AsyncGenerator[bytes]:
    """Frames of a sweep up to its final one, or until this generator is closed; either ends its workers.

    The first worker trains all variants, or leaves some to further workers where the executor has room for
    more. Raises `SweepTooLarge`, `BadKnob` and `SweepFailed` before the first frame; after it, the final one
    has the problem.
    """
    workers = _Workers(executor)
    whole: Whole | None = None
    last, due = b"", 0.0
    try:
        room = await executor.room(spec.device, spec.cores)
        first = replace(order, workers=min(room.workers, len(order.variants)), beginning=room.beginning)
        await workers.begin(replace(spec, sweep=first))
        while True:
            worker, output = await workers.said.get()
            match output:
                case SweepDivided() as told:
                    whole = Whole(spec.run, order, told)
                    for share in told.shares:
                        variants = [order.variants[place] for place in share]
                        part = replace(order, variants=variants, series=told.series)
                        await workers.begin(replace(spec, sweep=part))
                case SweepRefused(problem=problem):
                    raise _error_of(problem)
                case SweepFrame(payload=payload, final=final):
                    if whole is not None:
                        whole.take(worker, payload, final=final)
                        final = whole.complete
                        if not final and time.monotonic() < due:
                            continue
                        payload = whole.frame()
                        due = time.monotonic() + rest_after(payload)
                    last = payload
                    yield last
                    if final:
                        return
                case str(cause) if whole is None or not whole.has_all_of(worker):
                    raise errors.SweepFailed(f"the sweep failed: {cause}", "run", cause=cause)
    except errors.DescentError as error:
        if not last:
            raise
        workers.kill()
        yield _ended(last if whole is None else whole.frame(), error)  # the response has begun
    finally:
        workers.kill()


class Whole:
    """The curves of a sweep that several workers train, as one frame."""

    def __init__(self, run: str, order: SweepSpec, told: SweepDivided) -> None:
        left = {place for share in told.shares for place in share}
        own = [place for place in range(len(order.variants)) if place not in left]
        self._run, self._order, self._told, self._seq = run, order, told, told.seq
        self._shares = [_Share(own, own), *(_Share(share, range(len(share))) for share in told.shares)]

    @property
    def complete(self) -> bool:
        """Whether every worker has told all."""
        return all(share.ended for share in self._shares)

    def has_all_of(self, worker: int) -> bool:
        """Whether one worker has told all."""
        return self._shares[worker].ended

    def take(self, worker: int, payload: bytes, *, final: bool) -> None:
        """Take in a worker's frame. Raises the error that it ended with, if any."""
        share = self._shares[worker]
        share.frame, share.ended = wire.decode(payload), final
        if problem := (share.frame.meta or {}).get("problem"):
            raise _error_of(problem)

    def frame(self) -> bytes:
        """All that was told so far: `losses` (S, K, n), NaN where a worker is not as far as another."""
        count = len(self._order.variants)
        told = [(share, share.frame) for share in self._shares if share.frame is not None]
        taken, diverged = np.zeros(count, np.int32), np.zeros(count, np.uint8)
        for share, frame in told:
            taken[share.places] = frame.arrays["taken"][share.columns]
            diverged[share.places] = frame.arrays["diverged"][share.columns]
        losses = np.full((len(self._told.series), count, taken.max()), np.nan, np.float32)
        for share, frame in told:
            found = frame.arrays["losses"][:, share.columns, : taken.max()]
            losses[:, share.places, : found.shape[-1]] = found
        batched = sum((frame.meta or {})["batched"] for _, frame in told)
        meta: SweepMeta = told_of(self._order, self._told.series, batched)
        arrays = {"losses": losses, "taken": taken, "diverged": diverged}
        self._seq += 1
        return wire.encode_sweep(self._run, self._seq, self._told.step, arrays, meta, final=self.complete)


@dataclass
class _Share:
    """A worker's variants: their `places` among all, and in its frames (`columns`)."""

    places: Sequence[int]
    columns: Sequence[int]
    frame: wire.Frame | None = None  # its last
    ended: bool = False


class _Workers:
    """Started one after the other, and heard together."""

    def __init__(self, executor: Executor) -> None:
        self.said: asyncio.Queue[tuple[int, Output | str]] = asyncio.Queue()  # a text: why one is gone
        self._executor = executor
        self._started: list[Worker] = []

    async def begin(self, spec: RunSpec) -> None:
        """Start the next one. Raises `SweepFailed`."""
        number = len(self._started)

        def hear(said: Output | str) -> None:
            self.said.put_nowait((number, said))

        try:
            self._started.append(await self._executor.start(spec, hear, hear))
        except (OSError, EOFError) as error:
            raise errors.SweepFailed(
                f"no worker could be started: {error}", "run", cause=str(error)
            ) from error

    def kill(self) -> None:
        """End all."""
        for worker in self._started:
            worker.kill()
        self._started.clear()


def _ended(last: bytes, failed: errors.DescentError) -> bytes:
    """The last frame again, now final, with the problem that ended the sweep."""
    frame = wire.decode(last)
    meta = {**(frame.meta or {}), "problem": failed.problem()}
    return wire.encode_sweep(frame.run, frame.seq + 1, frame.step, frame.arrays, meta, final=True)


def _error_of(problem: Mapping[str, Any]) -> errors.DescentError:
    """The error that a worker told."""
    kinds = (errors.SweepTooLarge, errors.BadKnob)
    kind = next((kind for kind in kinds if kind.code == problem["code"]), errors.SweepFailed)
    return kind(problem["detail"], problem["field"], **problem["params"])
