"""The experiment contract: what one file must provide to become one thing to learn.

An experiment file holds, in this order: a docstring, `Knobs`, the model, and one subclass of
`Experiment`. It imports no web framework and does nothing heavy when imported. The docstring's first
line is the experiment's title, its first paragraph the summary on the gallery card. Everything the page
needs is declared here in English; `lessons/<lang>/<id>.md` brings the text beside it and the translations.
See `docs/adding-an-experiment.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args
from weakref import WeakKeyDictionary

import torch

from descent.contract.knobs import Knobs

Scalars = Mapping[str, float | torch.Tensor]
Level = Literal[1, 2, 3]  # mathematics of school; derivatives and vectors; it reads a paper
# How a new run splits its random numbers. 1: `step_generator(n)` is the stream that orders epoch n; 2: it has
# one of its own. A run keeps what it began with, and hands it on to its branches.
STREAMS = 2
APART = 2**31  # from the seeds of `generator` to those of `step_generator`; torch heeds 32 bits of a seed


class Finished(Exception):
    """Raised by `step` instead of taking one, when there is nothing more to learn: the run is finished.

    The argument is the reason, a sentence that a lesson's `[words]` can translate; the page adds step and
    epoch. Nothing may have been changed before it is raised.
    """


@dataclass(frozen=True)
class Measure:
    """The meaning of a scalar; a loss falls and an accuracy rises when all is well.

    `of`: the learner it belongs to, where several are trained side by side, by its objective's name;
    `knobs`: those that act on this learner and not on all, such as its own learning rate; `rival`: the loss
    of a player in a game, which may rise because the other one plays well.
    """

    kind: Literal["loss", "held-out", "accuracy"]
    of: str = ""
    knobs: tuple[str, ...] = ()
    rival: bool = False


@dataclass(frozen=True)
class Preset:
    """One-click settings that make a point: `knobs` over the defaults.

    `watch` says what to look for, here or in the English lesson.
    """

    title: str
    knobs: Mapping[str, Any]
    watch: str = ""


class Transient:
    """Base of attributes that no checkpoint holds, since no seed determines them, such as a clock."""


K = TypeVar("K", bound=Knobs)
T = TypeVar("T")


@dataclass(frozen=True)
class Objective:
    """A loss, the parameters by which it is minimised, and their optimizer.

    `loss` computes it on the mini-batch of the coming step, as that step will; the same each time it is
    called, given the same parameters and random numbers. `layers`: parameters by the layer's name, for the
    gradient flow; by default each is its own. `penalty`: λ, where the loss holds λ½‖w‖² of the weights.
    """

    loss: Callable[[], torch.Tensor]
    parameters: Sequence[torch.Tensor]
    optimizer: torch.optim.Optimizer
    layers: Mapping[str, Sequence[torch.Tensor]] | None = None
    penalty: float = 0.0

    @classmethod
    def of(
        cls,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[[], torch.Tensor],
        layers: Mapping[str, Sequence[torch.Tensor]] | None = None,
        penalty: float = 0.0,
    ) -> Objective:
        """The objective of all parameters of a model, by default with its modules as layers."""
        layers = by_layer(model) if layers is None else layers
        return cls(loss, list(model.parameters()), optimizer, layers, penalty)


def by_layer(model: torch.nn.Module) -> dict[str, list[torch.Tensor]]:
    """A model's parameters by the module that holds them."""
    found: dict[str, list[torch.Tensor]] = {}
    for name, parameter in model.named_parameters():
        found.setdefault(name.rpartition(".")[0] or name, []).append(parameter)
    return found


def batches_per_epoch(size: int, total: int) -> int:
    """The number of batches in one pass over `total` samples."""
    return -(-total // min(size, total))


class Experiment(ABC, Generic[K]):
    """One thing to learn.

    The engine creates it, calls `build` once and then `step` over and over; between steps it may call
    probes. `self.step_index` is the number of steps taken so far.

    Its place on the learner's path: `after` names the experiments to understand before, none of which comes
    later in learning order, and only the nearest ones; `minutes` is how long it takes with its lesson;
    `level` is what has to be known.
    """

    knobs_type: ClassVar[type[Knobs]]
    order: ClassVar[int] = 0  # place within its chapter
    after: ClassVar[tuple[str, ...]] = ()  # ids
    minutes: ClassVar[int]
    level: ClassVar[Level]
    invite: ClassVar[str]  # the one sentence that invites the first move
    presets: ClassVar[Mapping[str, Preset]] = {}
    measures: ClassVar[Mapping[str, Measure]] = {}  # by scalar; the first loss is the main one
    pace: ClassVar[float | None] = None  # steps per second to begin with; None: as fast as it goes
    opening: ClassVar[float] = 8.0  # steps per second in the first seconds of a run opened on the page
    cores: ClassVar[int] = 1  # threads of torch's in a run; on a cluster it waits for as many cores
    steers: ClassVar[Mapping[str, str]] = {}  # by rate knob, the attribute with its optimizers
    lent: Mapping[str, Recorded] = {}  # by knob, the run it names; while `build` runs
    training_samples: int = 0  # what an epoch passes over, in batches of the knob `batch_size`
    batch_size: int = 0  # where it is no knob

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed = seed
        self.device = device
        self.streams = STREAMS  # how random numbers are split (`STREAMS`); the engine sets it before `build`
        self.data: Sequence[Path] = ()  # folders with larger data sets; the engine sets them before `build`
        self.step_index = 0
        self.epochs_counted = (0.0, 0)  # done, and at which step, when steps per epoch last changed

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Knobs):
                    cls.knobs_type = argument

    @abstractmethod
    def build(self, knobs: K) -> None:
        """Make model, optimizer and data on `self.device`. The global RNG is seeded already."""

    @abstractmethod
    def step(self, knobs: K) -> Scalars:
        """Take exactly one optimisation step and return its scalars by name (`loss/train`, …).

        Values are floats or 0-d tensors. A scalar that is measured only now and then may be left out of
        the other steps. One that is not finite ends the run as diverged. Raises `Finished` where there is
        no further step.
        """

    def changed(self, knobs: K, names: set[str]) -> None:
        """Live knobs `names` were set to the values in `knobs`; called between steps, before the next.

        By default every knob in `steers` is written into its optimizers, whose state stays.
        """
        for knob, attribute in self.steers.items():
            held = getattr(self, attribute)
            several = held.values() if isinstance(held, Mapping) else held
            for optimizer in [held] if isinstance(held, torch.optim.Optimizer) else several:
                for group in optimizer.param_groups:
                    group["lr"] = getattr(knobs, knob)

    def objectives(self, knobs: K) -> Mapping[str, Objective]:
        """The losses minimised in the coming step, by name; a single one may have the name "".

        An experiment that returns any gets the panels on the effects of the learning rate.
        """
        return {}

    def out(self) -> Collection[str]:
        """Learners that have left the race for good, by the name their measures give them in `of`."""
        return ()

    def exported(self, knobs: K) -> tuple[torch.nn.Module, torch.Tensor] | None:
        """The model as others may run it, and an input of two rows or more to try it on; None: there is none.

        How many rows there are, the first dimension, is left open.
        """
        return None

    def steps_per_epoch(self, knobs: K) -> float | None:
        """Steps in one pass over the training data, where that means something: over `training_samples`."""
        size = getattr(knobs, "batch_size", self.batch_size)
        return batches_per_epoch(size, self.training_samples) if self.training_samples else None

    def ends_epoch(self, knobs: K) -> bool:
        """Whether the coming step is the last one of its epoch."""
        steps = self.steps_per_epoch(knobs)
        return bool(steps and (self.step_index + 1) % steps == 0)

    def generator(self, n: int) -> torch.Generator:
        """A CPU generator whose stream is a pure function of (seed, n); `minibatch` orders epoch n by it."""
        return torch.Generator().manual_seed((self.seed * 0x9E3779B97F4A7C15 + n + 1) % 2**63)

    def step_generator(self, n: int) -> torch.Generator:
        """Generator of what step n draws beside its mini-batch, such as masks; no stream of `generator`."""
        return self.generator(n + APART if self.streams > 1 else n)

    def cached(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        """A probe's cache between two looks: made again when `key` changes.

        It is no attribute, so in no checkpoint, and filling it does not count as writing.
        """
        kept = _caches.setdefault(self, {})
        if name not in kept or kept[name][0] != key:
            kept[name] = key, make()
        found: T = kept[name][1]
        return found


@dataclass(frozen=True)
class Recorded:
    """A recorded run at its last checkpoint: an experiment that `knobs` built, its `model` trained."""

    experiment: Any
    knobs: Any


_caches: WeakKeyDictionary[Experiment[Any], dict[str, tuple[Hashable, Any]]] = WeakKeyDictionary()
