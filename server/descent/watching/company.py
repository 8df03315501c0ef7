"""A distributed training: one process speaks with the server, and all do what it is told at the same step.

At each step the first process broadcasts what the page has changed, mostly nothing: 16 bytes, by a group of
their own over gloo, so that no GPU waits for it. A knob moved in one process alone would let the weights of
the replicas differ.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

GO, HOLD, STOP = range(3)  # what the others do: their next step; wait for further word; end
MEET_WITHIN = 20.0  # seconds between the first step of the first process and that of the last

_runs: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)  # of each name, so far


def is_distributed() -> bool:
    """Whether this process trains together with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def meet(name: str, within: float = MEET_WITHIN) -> Company | None:
    """Find the other processes at a run's first step; None where not all of them come to it.

    No collective is begun before all are there: one that is begun by a part of them would never end.
    """
    store = distributed.distributed_c10d._get_default_store()
    key = f"descent/{name}/{next(_runs[name])}"
    leads = distributed.get_rank() == 0
    if leads:
        until = time.monotonic() + within
        while (missing := distributed.get_world_size() - 1 - store.add(f"{key}/here", 0)) > 0:
            if time.monotonic() > until:
                break
            time.sleep(0.005)
        store.set(f"{key}/go", "alone" if missing > 0 else "together")
        together = missing <= 0
    else:
        store.add(f"{key}/here", 1)
        try:
            store.wait([f"{key}/go"], timedelta(seconds=3 * within))
        except distributed.DistStoreError:
            return None
        together = store.get(f"{key}/go") == b"together"
    return Company(distributed.new_group(backend="gloo"), leads) if together else None


class Company:
    """The processes of a training that all call `run.step`."""

    def __init__(self, group: Any, leads: bool) -> None:
        """`leads`: whether this is the one that speaks with the server."""
        self._group = group
        self.leads = leads

    def tell(self, what: int, moved: Mapping[str, Any]) -> None:
        """Tell the others what to do, and the knobs that were moved."""
        text = json.dumps(moved).encode() if moved else b""
        distributed.broadcast(torch.tensor([what, len(text)]), 0, self._group)
        if text:
            distributed.broadcast(torch.tensor(list(text), dtype=torch.uint8), 0, self._group)

    def follow(self, writers: Mapping[str, Callable[[Any], None]], failed: Callable[[str], None]) -> bool:
        """Do what the first process was told at this step; whether that is to end. `failed` is told of each
        knob whose writer has raised.
        """
        what = HOLD
        while what == HOLD:
            what, moved = self.hear()
            for name, value in moved.items():
                try:
                    writers[name](value)
                except Exception:
                    failed(f"knob {name!r}")
        return what == STOP

    def hear(self) -> tuple[int, dict[str, Any]]:
        """What is to be done, and the knobs that were moved; waits for the first process."""
        head = torch.zeros(2, dtype=torch.int64)
        distributed.broadcast(head, 0, self._group)
        what, size = head.tolist()
        if not size:
            return what, {}
        text = torch.zeros(size, dtype=torch.uint8)
        distributed.broadcast(text, 0, self._group)
        return what, json.loads(bytes(text.tolist()))
