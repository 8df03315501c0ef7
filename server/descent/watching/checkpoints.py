"""The states of a script's training, kept on its own machine, and put back where they came from.

A state is the model, the optimizers, the random number generators and what the script names itself. It lies
in a file without a name, which is gone with the process. It is written with `torch.save` and read with
`weights_only`: what that would refuse is refused when it is to be kept. Nothing of it travels.
"""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from descent.engine import chance
from descent.watching.probes import plain

MOST_KEPT = 32  # states: each may hold a file open
IN_MEMORY = 1 << 20  # bytes of a state beyond which it lies on the disk
CHANCE = 1 << 16  # bytes that a state takes at most beside its tensors, if the script adds nothing
WRITTEN = 500e6  # bytes per second: a guess, until the first state was written

Knobs = Mapping[str, Any]


class StateError(RuntimeError):
    """A state that cannot be kept, or put back: why."""


@dataclass(frozen=True)
class Kept:
    """The state after `step` steps. `came`: the step whose state it is, if that was put back there."""

    step: int
    came: int
    size: int
    knobs: Knobs
    file: IO[bytes]

    @property
    def put_back(self) -> bool:
        """Whether it stands at a step at which an earlier state was put back."""
        return self.came != self.step


class Checkpoints:
    """The states of one training, in at most `room` bytes: the further back, the sparser."""

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer], room: int) -> None:
        self._model = plain(model)
        self._optimizers = list(optimizers)
        self._room = room
        self._own: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {}
        self._kept: list[Kept] = []  # by step
        self._tried: set[str] = set()  # the parts that were found to be readable

    def add(self, name: str, get: Callable[[], Any], put: Callable[[Any], object]) -> None:
        """Keep something of the script's own, too. Raises `StateError` where it cannot be read again."""
        _need_readable(name, get())
        self._own[name] = get, put

    @property
    def steps(self) -> list[int]:
        """The steps whose states are kept."""
        return [one.step for one in self._kept]

    def at(self, step: int) -> Kept | None:
        """The last state at or before a step."""
        return next((one for one in reversed(self._kept) if one.step <= step), None)

    @property
    def costs(self) -> float:
        """Seconds that keeping a state may take: a guess."""
        return sum(_size(part) for part in self._tensors()) / WRITTEN

    @property
    def finite(self) -> bool:
        """Whether every parameter is a finite number."""
        parameters = [p.detach() for p in self._model.parameters() if p.is_floating_point()]
        if not parameters:
            return True
        return bool(
            torch.stack([one.float().cpu() for one in torch._foreach_norm(parameters)]).isfinite().all()
        )

    def keep(self, step: int, knobs: Knobs) -> None:
        """Keep the present state. Raises `StateError`."""
        if any(one.step == step for one in self._kept):
            return
        with _told("kept"):
            state = self._state()
            size = _size(state) + CHANCE
            for name, part in state.items():
                if name != "model" and name not in self._tried:
                    _need_readable(name, part)
                    self._tried.add(name)
            self._make_room(size)
            self._kept.append(Kept(step, step, size, dict(knobs), _written(state)))

    def put_back(self, kept: Kept, step: int, set_knobs: Callable[[], object]) -> None:
        """Put a state back in place of the one after `step` steps: all of it, or nothing.

        `set_knobs` is called first: what it writes into the optimizers is written over. Raises `StateError`.
        """
        with _told("put back"):
            state = _read(kept.file)
            present = _written(self._state())
        try:
            with _told("put back"):
                set_knobs()
                self._load(state)
        except StateError:
            self._load(_read(present), anyway=True)
            raise
        finally:
            present.close()
        if kept.step < step:
            for one in [one for one in self._kept if one.step == step]:
                self._drop(one)
            self._kept.append(Kept(step, kept.came, kept.size, kept.knobs, kept.file))

    def close(self) -> None:
        """Let go of all states."""
        while self._kept:
            self._drop(self._kept[-1])

    def _drop(self, one: Kept) -> None:
        self._kept.remove(one)
        if all(other.file is not one.file for other in self._kept):
            one.file.close()

    def _tensors(self) -> list[Any]:
        return [self._model.state_dict(), *(one.state_dict() for one in self._optimizers)]

    def _state(self) -> dict[str, Any]:
        model, *optimizers = self._tensors()
        own = {name: get() for name, (get, _) in self._own.items()}
        return {
            "model": model,
            "buffers": {name: one for name, one in self._model.named_buffers() if name not in model},
            "modes": [module.training for module in self._model.modules()],
            "optimizers": optimizers,
            "own": own,
            "chance": _chance(),
        }

    def _load(self, state: Mapping[str, Any], *, anyway: bool = False) -> None:
        """Write a state where it came from; `anyway`: pass over what the script's own functions refuse."""
        self._model.load_state_dict(state["model"])
        buffers = dict(self._model.named_buffers())
        for name, kept in state["buffers"].items():
            buffers[name].data.copy_(kept)
        for module, mode in zip(self._model.modules(), state["modes"], strict=True):
            module.training = mode
        for optimizer, settings in zip(self._optimizers, state["optimizers"], strict=True):
            _load_optimizer(optimizer, settings)
        for name, (_, put) in self._own.items():
            if name in state["own"]:  # it may have been named later
                with contextlib.suppress(*([Exception] if anyway else [])):
                    put(state["own"][name])
        _set_chance(state["chance"])  # last: loading might draw

    def _make_room(self, size: int) -> None:
        """Let go of states until another one fits. Raises `StateError` where it does not."""
        free = shutil.disk_usage(tempfile.gettempdir()).free + sum(self._sizes().values())
        room = min(self._room, free // 2)
        if 2 * size > room:
            raise StateError(
                f"a state takes {size / 1e6:,.0f} MB, and two of them have to fit into {room / 1e6:,.0f} MB "
                "(DESCENT_WATCH_CHECKPOINTS, and half of what is free on the disk)"
            )
        while self._kept and (len(self._kept) >= MOST_KEPT or sum(self._sizes().values()) + size > room):
            self._drop(self._superfluous())

    def _sizes(self) -> dict[int, int]:
        """The bytes of each file: a state that was put back shares that of the one it came from."""
        return {id(one.file): one.size for one in self._kept}

    def _superfluous(self) -> Kept:
        """Of all but the first and the last the one that leaves the smallest gap for its age.

        One that was put back goes last: without it, going back to a step after it would lead to before it.
        """
        newest = self._kept[-1].step

        def rank(index: int) -> tuple[bool, float]:
            gap = self._kept[index + 1].step - self._kept[index - 1].step
            return self._kept[index].put_back, gap / (newest - self._kept[index].step + 1)

        inner = range(1, len(self._kept) - 1)
        return self._kept[min(inner, key=rank)] if inner else self._kept[0]


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Context whose errors are told as `StateError`."""
    try:
        yield
    except StateError:
        raise
    except Exception as error:
        raise StateError(f"the state cannot be {what}: {type(error).__name__}: {error}"[:1000]) from error


def _written(state: Mapping[str, Any]) -> IO[bytes]:
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  it lives as long as it is kept
    torch.save(state, file)
    return file


def _read(file: IO[bytes]) -> Any:
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


def _need_readable(name: str, value: Any) -> None:
    """Raises `StateError` for what could not be read again; tensors can."""
    buffer = io.BytesIO()
    try:
        torch.save(_sketch(value), buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        raise StateError(
            f"{name} has something beside tensors, numbers, texts and lists and dicts of them, which cannot "
            f"be kept: {type(error).__name__}"
        ) from error


def _sketch(value: Any) -> Any:
    """A value with empty tensors."""
    if isinstance(value, Tensor):
        return torch.empty(0)
    if type(value) in (dict, OrderedDict):
        return {key: _sketch(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_sketch(item) for item in value)
    return value


def _size(value: Any) -> int:
    """The bytes of all tensors in a value."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0


def _load_optimizer(optimizer: Optimizer, state: Any) -> None:
    """`load_state_dict`, but the dicts of its groups stay the same: others may hold on to them."""
    groups = optimizer.param_groups
    optimizer.load_state_dict(state)
    for before, after in zip(groups, optimizer.param_groups, strict=True):
        for key, value in after.items():
            present = before.get(key)
            if isinstance(present, Tensor) and isinstance(value, Tensor):  # a captured graph reads it there
                present.copy_(value)
            else:
                before[key] = value
    optimizer.param_groups = groups


def _chance() -> dict[str, Any]:
    """The states of all random number generators."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    found: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [str(kind), np.asarray(keys).tolist(), *map(float, rest)],
        "torch": torch.get_rng_state(),
    }
    return found | {"devices": chance.states()}


def _set_chance(found: Mapping[str, Any]) -> None:
    random.setstate(found["python"])
    kind, keys, position, has_gauss, cached = found["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), int(position), int(has_gauss), cached))
    torch.set_rng_state(found["torch"])
    chance.set_states(found["devices"])
