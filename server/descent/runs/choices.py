"""Which kind of device was found to be faster for an experiment, remembered in a file of the home folder: it
says something of this machine, and not of a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from descent import __version__
from descent.contract.entry import Entry
from descent.engine.device import CPU, kind_of
from descent.engine.knobs import apart

REMEMBERED = 1000  # experiments and sizes of them
WORTH = 1.1  # times as fast as the CPU another device must be: what differs by less may be chance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """The kind of device that was found to be the fastest: `rates`, steps per second by kind, and why it is
    no other, where one cannot train the experiment at all (`failed`, a code or a sentence by kind).
    """

    kind: str
    rates: Mapping[str, float]
    failed: Mapping[str, str] = field(default_factory=dict)

    def among(self, devices: tuple[str, ...]) -> str:
        """The device of this kind; the first where there is none."""
        return next((device for device in devices if kind_of(device) == self.kind), devices[0])


def chosen(rates: Mapping[str, float], failed: Mapping[str, str]) -> Choice:
    """The choice of the fastest; the CPU, unless another is worth it or the CPU fails."""
    mine = rates.get(CPU, 0.0)
    others = {kind: rate for kind, rate in rates.items() if kind != CPU}
    best = max(others, key=others.__getitem__, default=CPU)
    worth = best in others and others[best] > WORTH * mine
    return Choice(best if worth else CPU, dict(rates), dict(failed))


class Choices:
    """What was found, in a file: choices by key, the oldest first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[str, Choice] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):  # none yet, or damaged
            told = json.loads(file.read_text(encoding="utf-8"))
            self._found = {key: Choice(**one) for key, one in told.items()}

    def get(self, key: str) -> Choice | None:
        """What was found for this key."""
        return self._found.get(key)

    def keep(self, key: str, choice: Choice) -> None:
        """Remember a choice; where the file cannot be written, until the server ends."""
        self._found.pop(key, None)
        self._found[key] = choice
        while len(self._found) > REMEMBERED:
            del self._found[next(iter(self._found))]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            half = self._file.with_suffix(".part")
            half.write_text(
                json.dumps({key: asdict(one) for key, one in self._found.items()}, indent=1), encoding="utf-8"
            )
            os.replace(half, self._file)
        except OSError as error:
            logger.warning("which device is faster is not remembered: %s", error)


def key_of(entry: Entry, knobs: Mapping[str, Any], devices: tuple[str, ...]) -> str:
    """What a choice holds for: an experiment (of one's own, with its code), those of its knobs that make its
    model and its data, and this machine's kinds of devices, cores and software.
    """
    fixed = {name: value for name, value in apart(knobs)[0].items() if not entry.knobs_type.is_live(name)}
    told = {
        "code": entry.code.digest if entry.code else "",
        "knobs": fixed,
        "devices": sorted({kind_of(device) for device in devices}),
        "software": [torch.__version__, __version__, os.cpu_count()],
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return f"{entry.id} {digest}"
