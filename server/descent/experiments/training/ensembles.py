"""Ensembles.

Six networks learn the same few points from different seeds, and a seventh becomes many: it is kept at the end
of every cycle of its learning rate. See what averaging their predictions is worth.

With p_m the probability that member m of M gives to class 1, and y = 0 or 1 what it is:

    average               p̄ = (1/M) Σ p_m
    Brier score           (p̄ − y)² = (1/M) Σ (p_m − y)² − (1/M) Σ (p_m − p̄)²
    log loss              −log p̄ ≤ −(1/M) Σ log p_m, by Jensen's inequality
    snapshot's rate       α(t) = α₀/2 · (cos(π mod(t − 1, C) / C) + 1)

So the average is better than its members are on average, in the Brier score by exactly their disagreement.

Watch the members draw borders of their own where there are no points, and the average settle between them.

Source: Hansen and Salamon, "Neural network ensembles" (1990). The second line: Krogh and Vedelsby, "Neural
network ensembles, cross validation, and active learning" (1995). Snapshots: Huang et al., "Snapshot
ensembles: train 1, get M for free" (2017), arXiv:1704.00109, §3 and equation 2.
Departures: C is a length, not ⌈T/M⌉ of a training of T steps, which here goes on for as long as you watch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.contract import Experiment, Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.planar import CLASSIFICATION, EXTENT, encode, grid, painted
from descent.kit.extremes import extremes
from descent.kit.nn.layers import UniformLayers
from descent.kit.nn.traced import Gradients
from descent.kit.reading import share_of
from descent.kit.text import rough

MEMBERS = 6  # trained from seeds, and snapshots kept
BATCH = 16
FEATURES = ("x1", "x2", "sin x1", "sin x2")
TEST = 1000  # points nobody is trained on
EVERY = 10  # steps between two looks at them
SIDE, SMALL = 48, 36  # cells along a side of a large map and of a small one
DIFFERENCES = {"nothing": "nothing", "order": "order", "seed": "seed", "bootstrap": "seed and data"}
DATA_SETS = {"spiral": "spiral", "xor": "exclusive or", "circle": "circle", "gauss": "two clouds"}
TINY = 1e-12  # a probability that is rounded to 0 is taken for this in the log loss


class EnsembleKnobs(Knobs):
    members: int = live(6, "Members averaged", "M", range=(1, MEMBERS), group="ensemble")
    shown: Literal["seeds", "snapshots"] = live(
        "seeds", "Ensemble", options=("seeds", "snapshots"), group="ensemble"
    )
    lr: float = rate(0.1, log=(1e-4, 10.0), typical=(0.02, 0.3), group="seeds")
    differ: Literal["nothing", "order", "seed", "bootstrap"] = fixed(
        "seed", "Differ in", options=DIFFERENCES, group="seeds"
    )
    lr_snapshot: float = rate(
        0.1, "Learning rate after a restart", "α₀", log=(1e-4, 10.0), typical=(0.02, 0.3), group="snapshots"
    )
    cycle: int = live(300, "Cycle", "C", log=(10, 3000), unit="steps", typical=(100, 1000), group="snapshots")
    dataset: Literal["spiral", "xor", "circle", "gauss"] = fixed(
        "spiral", "Data set", options=DATA_SETS, group="data"
    )
    noise: int = fixed(
        50, "Noise", range=(0, 50), unit="%", group="data", help="How far the data stray from the pattern."
    )
    points: int = fixed(100, "Training points", "N", log=(20, 1000), group="data")
    hidden: int = fixed(
        32, "Hidden units", range=(2, 64), group="data", help="tanh units in each of two hidden layers."
    )


class Stack(UniformLayers):
    """M networks side by side: a layer holds the weights of all, (M, in, out), for one `baddbmm`."""

    def forward(self, h: Tensor) -> Tensor:
        """Logits (M, B) of the inputs h, (M, B, F) or (B, F) for all."""
        if h.ndim == 2:
            h = h.expand(len(self.weights[0]), -1, -1)
        *hidden, (last_weight, last_bias) = self.pairs()
        for weight, bias in hidden:
            h = torch.tanh(torch.baddbmm(bias, h, weight))  # (M, B, out)
        return torch.baddbmm(last_bias, h, last_weight)[:, :, 0]

    @torch.no_grad()
    def put(self, member: int, other: Stack) -> None:
        """Make a member what the first of another stack is."""
        for mine, theirs in zip(self.parameters(), other.parameters(), strict=True):
            mine[member] = theirs[0]

    @torch.no_grad()
    def push(self, other: Stack) -> None:
        """Let the first member go, move the others up, and put another stack's first in the last place."""
        for mine in self.parameters():
            mine.copy_(mine.roll(-1, 0))
        self.put(-1, other)


def cyclic_rate(a0: float, t: int, cycle: int) -> float:
    """α(t) of step t = 1, 2, … (Huang et al. 2017, equation 2)."""
    return a0 / 2 * (math.cos(math.pi * ((t - 1) % cycle) / cycle) + 1)


def member_losses(z: Tensor, y: Tensor) -> Tensor:
    """The log loss of each member, (M,), of logits z and labels y, both (M, B)."""
    return F.binary_cross_entropy_with_logits(z, y, reduction="none").mean(1)


def brier(p: Tensor, y: Tensor) -> Tensor:
    """(p − y)² of probabilities (…, T), averaged over the points: (…)."""
    return (p - y).square().mean(-1)


def log_loss(p: Tensor, y: Tensor) -> Tensor:
    """−log of the probability given to what it is, averaged over the points: (…)."""
    return -torch.where(y > 0, p, 1 - p).clamp(min=TINY).log().mean(-1)


def error(p: Tensor, y: Tensor) -> Tensor:
    """Share of the points on the wrong side of ½: (…)."""
    return ((p > 0.5) != (y > 0.5)).double().mean(-1)


def subsets(count: int) -> Tensor:
    """All ways to average some of `count` members, (2^count − 1, count): rows that sum to 1."""
    chosen = torch.arange(1, 2**count)[:, None] >> torch.arange(count) & 1
    return chosen / chosen.sum(1, keepdim=True, dtype=torch.float64)


SCORES = {"error": error, "Brier": brier, "log loss": log_loss}


class Ensembles(Experiment[EnsembleKnobs]):
    """A stack of networks, and one more whose snapshots are kept."""

    order = 5
    pace = 100.0
    batch_size = BATCH
    after = ("regularisation", "schedules")
    minutes = 11
    level = 2
    invite = "Turn the members M down to 1 and up again, and watch the border."
    measures = {
        "loss/seeds": Measure("loss", of="seeds", knobs=("lr",)),
        "loss/snapshots": Measure("loss", of="snapshots", knobs=("lr_snapshot", "cycle")),
        "acc/1": Measure("accuracy", of="seeds", knobs=("lr",)),
        "acc/now": Measure("accuracy", of="snapshots", knobs=("lr_snapshot", "cycle")),
    }
    steers = {"lr": "optimizer"}
    presets = {
        "same": Preset("Nothing differs", {"differ": "nothing"}),
        "bagging": Preset("Bagging", {"differ": "bootstrap"}),
        "snapshots": Preset("Train 1, get M for free", {"shown": "snapshots"}),
        "short": Preset("Cycles too short", {"shown": "snapshots", "cycle": 30}),
        "chance": Preset("What no average removes", {"dataset": "circle"}),
    }

    def build(self, knobs: EnsembleKnobs) -> None:
        """Draw the data; six networks, and one that begins as the first of them."""
        self.training_samples = knobs.points
        generator = self.generator(-1)
        train = CLASSIFICATION[knobs.dataset](knobs.points, knobs.noise / 100, generator)
        test = CLASSIFICATION[knobs.dataset](TEST, knobs.noise / 100, generator)
        self.points, self.labels = train.points, train.labels[:, 0]  # (N, 2), (N,) −1 or 1
        self.inputs = self._encode(train.points)  # (N, F)
        self.targets = (self.labels > 0).float().to(self.device)  # (N,) 0 or 1
        self.test_inputs = self._encode(test.points)
        self.test_targets = (test.labels[:, 0] > 0).double().to(self.device)
        self.plane, self.small_plane = self._encode(grid(SIDE)), self._encode(grid(SMALL))
        bags = torch.randint(knobs.points, (MEMBERS, knobs.points), generator=generator)
        self.bags = bags if knobs.differ == "bootstrap" else torch.arange(knobs.points).expand(MEMBERS, -1)

        sizes = (len(FEATURES), knobs.hidden, knobs.hidden, 1)
        self.seeds = Stack(sizes, MEMBERS).to(self.device)
        self.cycled = Stack(sizes, 1).to(self.device)
        self.kept = Stack(sizes, MEMBERS).to(self.device).requires_grad_(False)
        if knobs.differ in ("nothing", "order"):
            for member in range(1, MEMBERS):
                self.seeds.put(member, self.seeds)
        self.cycled.put(0, self.seeds)
        self.optimizer = torch.optim.SGD(self.seeds.parameters(), knobs.lr, momentum=0.9, fused=True)
        self.cycled_optimizer = torch.optim.SGD(
            self.cycled.parameters(), knobs.lr_snapshot, momentum=0.9, fused=True
        )
        self.traced = Gradients([*self.seeds.parameters(), *self.cycled.parameters()])
        self.phase = 0  # steps since the last restart
        self.taken_at: list[int] = []  # the steps of the snapshots that are kept, the last ones in `kept`

    def _encode(self, points: Tensor) -> Tensor:
        return encode(points, FEATURES).to(self.device)

    def _batch(self, knobs: EnsembleKnobs) -> Tensor:
        """Which points each member sees in the coming step, (M, B): its own permutation of them per epoch."""
        epoch, index = divmod(self.step_index, math.ceil(knobs.points / BATCH))
        order = torch.rand(MEMBERS, knobs.points, generator=self.generator(epoch)).argsort(1)
        rows = order[:, index * BATCH : (index + 1) * BATCH]
        if knobs.differ == "nothing":
            rows = rows[:1].expand(MEMBERS, -1)
        return self.bags.gather(1, rows).to(self.device)

    def _loss(self, stack: Stack, rows: Tensor) -> Tensor:
        """The sum of the members' losses: no parameter is in two of them."""
        return member_losses(stack(self.inputs[rows]), self.targets[rows]).sum()

    def _losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Of the members, and of the cycled network on the first one's batch; and what both descend."""
        loss = member_losses(self.seeds(x), y).sum()
        cycled = member_losses(self.cycled(x[:1]), y[:1]).sum()
        return torch.stack([loss, cycled]), loss + cycled

    def step(self, knobs: EnsembleKnobs) -> Scalars:
        """One step of every member on its own batch, and one of the cycled network on the first one's."""
        row = dict(self._score(knobs)) if self.step_index % EVERY == 0 else {}
        rows = self._batch(knobs)
        rate = cyclic_rate(knobs.lr_snapshot, self.phase + 1, knobs.cycle)
        self.cycled_optimizer.param_groups[0]["lr"] = rate
        loss, cycled_loss = self.traced(self._losses, self.inputs[rows], self.targets[rows], settings=())
        self.optimizer.step()
        self.cycled_optimizer.step()
        self.phase += 1
        if self.phase >= knobs.cycle:
            self.kept.push(self.cycled)
            self.taken_at = [*self.taken_at, self.step_index + 1][-MEMBERS:]
            self.phase = 0
        return row | {"loss/seeds": loss / MEMBERS, "loss/snapshots": cycled_loss}

    @torch.no_grad()
    def _score(self, knobs: EnsembleKnobs) -> dict[str, Tensor]:
        """On the test points: accuracies, and the Brier score of the ensemble that is shown, taken apart."""
        y = self.test_targets
        p = self._probabilities(self.seeds, self.test_inputs)  # (M, T)
        row = {"acc/average": 1 - error(p[: knobs.members].mean(0), y)}
        row |= {f"acc/{member}": 1 - error(p[member - 1], y) for member in range(1, MEMBERS + 1)}
        row["acc/now"] = 1 - error(self._probabilities(self.cycled, self.test_inputs)[0], y)
        if self.taken_at:
            row["acc/snapshots"] = 1 - error(self._snapshots(self.test_inputs)[-knobs.members :].mean(0), y)
        p = self._shown(knobs, self.test_inputs)
        row["brier/members"] = brier(p, y).mean()
        row["brier/average"] = brier(p.mean(0), y)
        row["brier/disagreement"] = brier(p, p.mean(0)).mean()  # (1/M) Σ (p_m − p̄)²
        return row

    @staticmethod
    def _probabilities(stack: Stack, inputs: Tensor) -> Tensor:
        """Of class 1, in double precision so that a certain one is not rounded to 1: (M, T)."""
        logits: Tensor = stack(inputs)
        return logits.double().sigmoid()

    def _snapshots(self, inputs: Tensor) -> Tensor:
        """The probabilities of the snapshots there are, oldest first: (K, T)."""
        return self._probabilities(self.kept, inputs)[MEMBERS - len(self.taken_at) :]

    def _shown(self, knobs: EnsembleKnobs, inputs: Tensor) -> Tensor:
        """The probabilities of those averaged, (M, T); before any snapshot, of the network as it is."""
        if knobs.shown == "seeds":
            return self._probabilities(self.seeds, inputs)[: knobs.members]
        if self.taken_at:
            return self._snapshots(inputs)[-knobs.members :]
        return self._probabilities(self.cycled, inputs)

    def objectives(self, knobs: EnsembleKnobs) -> Mapping[str, Objective]:
        """The seeds' summed losses, and the cycled network's."""
        rows = self._batch(knobs)

        def of(stack: Stack, rows: Tensor, optimizer: torch.optim.Optimizer) -> Objective:
            layers = {f"layer {i}": pair for i, pair in enumerate(stack.pairs(), 1)}
            return Objective.of(stack, optimizer, lambda: self._loss(stack, rows), layers)

        return {
            "seeds": of(self.seeds, rows, self.optimizer),
            "snapshots": of(self.cycled, rows[:1], self.cycled_optimizer),
        }

    # What is shown

    @p.field_map("The average", size="hero")
    def average(self, knobs: EnsembleKnobs) -> p.Field:
        """The averaged probability over the plane, with the training points."""
        p_m = self._shown(knobs, self.plane)  # (M, SIDE²)
        picture = p.Field(
            values=(2 * p_m.mean(0) - 1).float().view(SIDE, SIDE),
            x=(-EXTENT, EXTENT),
            y=(-EXTENT, EXTENT),
            points=self.points,
            labels=self.labels,
            split=torch.zeros(len(self.points), dtype=torch.uint8),
            boundary=0.0,
        )
        inside = 100 * share_of(((p_m > 0.5) == (p_m[:1] > 0.5)).all(0), p_m)
        text = "On {percent}% of the plane all {members} members decide alike."
        return p.says(picture, text, percent=rough(inside), members=len(p_m))

    @p.field_map("Disagreement")
    def disagreement(self, knobs: EnsembleKnobs) -> p.Field:
        """The standard deviation of the members' probabilities over the plane."""
        p_m = self._shown(knobs, self.plane)
        spread = p_m.std(0, correction=0)
        picture = p.Field(
            values=spread.float().view(SIDE, SIDE), x=(-EXTENT, EXTENT), y=(-EXTENT, EXTENT), range=(0.0, 0.5)
        )
        text = "Disagreement is {mean} on average, and {most} where it is largest."
        return p.says(picture, text, mean=rough(float(spread.mean())), most=rough(float(spread.max())))

    scores = p.scalars(
        {"brier/members": "members", "brier/average": "average", "brier/disagreement": "disagreement"},
        "Brier score",
    )

    @p.images("Members", size="wide")
    def gallery(self, knobs: EnsembleKnobs) -> p.Images:
        """Every member's decision map, its border dark; grey where there is no snapshot yet."""
        maps = [self._probabilities(self.seeds, self.small_plane), self._snapshots(self.small_plane)]
        pixels = torch.full((2 * MEMBERS, SMALL, SMALL, 3), 127, dtype=torch.uint8)
        known = torch.cat(maps)
        pixels[: len(known)] = painted(known.float().view(-1, SMALL, SMALL)).cpu()
        y = self.test_targets
        right = [
            1 - error(p_m, y)
            for p_m in (self._probabilities(self.seeds, self.test_inputs), self._snapshots(self.test_inputs))
        ]
        captions = [f"{share:.0%}" for share in torch.cat(right).tolist()]
        captions += ["–"] * (2 * MEMBERS - len(captions))
        picture = p.Images(pixels=pixels, columns=MEMBERS, captions=captions)
        found = extremes(100 * torch.cat(right), captions[: len(known)])
        text = "The best member reads {most}% of the test points right, the worst {least}%."
        return p.says(picture, text, **found) if found else picture

    @p.heatmap("Who decides differently?")
    def pairs(self, knobs: EnsembleKnobs) -> p.Heatmap:
        """Share of different decisions of any two: (M + K, M + K)."""
        both = [self._probabilities(self.seeds, self.test_inputs), self._snapshots(self.test_inputs)]
        said = (torch.cat(both) > 0.5).double()
        names = [*map(str, range(1, MEMBERS + 1)), *(f"t {t}" for t in self.taken_at)]
        share = (said[:, None] - said[None]).abs().mean(2)
        picture = p.Heatmap(values=share.float(), rows=names, columns=names)
        apart = said[:MEMBERS, None] != said[None, :MEMBERS]
        seeds = share_of(apart, both[0]) * MEMBERS / (MEMBERS - 1)  # without those of one with itself
        text = "Two seeds differ on {percent}% of the test points on average."
        return p.says(picture, text, percent=rough(100 * seeds))

    losses = p.scalars(
        {"loss/seeds": "seeds, on average", "loss/snapshots": "the one in cycles"}, "Training loss", log=True
    )

    accuracy = p.scalars(
        {"acc/average": "average"} | {f"acc/{m}": f"{m}" for m in range(1, MEMBERS + 1)},
        "Accuracy of the seeds",
        size="wide",
    )

    @p.lines("Cyclic rate")
    def schedule(self, knobs: EnsembleKnobs) -> p.Lines:
        """α(t) over this cycle and the next, and where training is."""
        t, cycle, a0 = self.phase + 1, knobs.cycle, knobs.lr_snapshot
        began = self.step_index - self.phase
        x = torch.linspace(0, 2 * cycle, 161)
        rates = [cyclic_rate(a0, math.floor(n) + 1, cycle) for n in x.tolist()]
        now = cyclic_rate(a0, t, cycle)
        picture = p.Lines(
            x=x + began,
            values=torch.tensor(rates)[None],
            dots=p.Lines.dot(float(self.step_index), now),
            groups=["α"],
            series=["α(t)"],
            x_label="step",
            notes=[f"{a0 / 2:.3g}·(cos(π·{t - 1}/{cycle}) + 1) = {now:.3g}"],
        )
        text = "A snapshot is taken in {n} steps; then α is back at {rate}."
        return p.says(picture, text, n=cycle - self.phase, rate=rough(a0))

    @p.lines("What each further member brings", size="wide")
    def by_size(self, knobs: EnsembleKnobs) -> p.Lines:
        """Scores over M, of every subset of the seeds and of the snapshots there are."""
        y = self.test_targets
        values = torch.full((len(SCORES), 2, MEMBERS), math.nan, dtype=torch.float64)
        low, high = values.clone(), values.clone()
        found = [self._probabilities(self.seeds, self.test_inputs), self._snapshots(self.test_inputs)]
        for series, p_m in enumerate(found):
            weights = subsets(len(p_m)).to(p_m.device)  # (2^K − 1, K)
            sizes = (weights > 0).sum(1)
            for group, score in enumerate(SCORES.values()):
                scored = score(weights @ p_m, y)
                for size in range(1, len(p_m) + 1):
                    of = scored[sizes == size]
                    values[group, series, size - 1] = of.mean()
                    low[group, series, size - 1], high[group, series, size - 1] = of.min(), of.max()
        none = values.isnan()
        shown = [values[group, 0] for group in range(len(SCORES))]
        picture = p.Lines(
            x=torch.arange(1.0, MEMBERS + 1),
            values=values.float(),
            low=torch.where(none, values[:, :1], low).float(),
            high=torch.where(none, values[:, :1], high).float(),
            groups=list(SCORES),
            series=["seeds", "snapshots"],
            x_label="M",
            marks=[[("M", float(knobs.members))]] * len(SCORES),
            notes=[f"M = 1: {curve[0]:.3f},  M = {MEMBERS}: {curve[-1]:.3f}" for curve in shown],
        )
        one, all_of_them = values[0, 0, [0, -1]].tolist()
        text = "One seed errs on {one}% of the test points, {members} averaged on {all}%."
        return p.says(picture, text, one=rough(100 * one), members=MEMBERS, all=rough(100 * all_of_them))

    snapshots = p.scalars({"acc/now": "now", "acc/snapshots": "average of snapshots"}, "Accuracy in cycles")
