"""Learning-rate schedules.

Eight copies of one network, with the same start and the same mini-batches, each on a schedule of its own.
Where a rate drops, its loss falls by a stair: watch who is low in the middle, and who at the end.

With η the knob, n the step, T the length of the race, and every schedule a function of n alone:

    constant      η
    step decay    η · f^⌊n / (T/4)⌋
    exponential   η · f^(n / (T/4))
    cosine        η_min + ½ (η − η_min)(1 + cos(πn/T))             Loshchilov and Hutter 2017, eq. 5
    restarts      the same again and again, each wave twice as long
    warm-up       from η_min straight up to η in wT steps, then η  Goyal et al. 2017, §2.2
    one cycle     from η/10 up to η in wT steps, down to η_min     Smith and Topin 2018
    1/√n          η · min(n / wT, √(wT / n))                       Vaswani et al. 2017, §5.3

A mini-batch's gradient is the true one and noise. With a constant rate the loss sinks until the noise throws
the weights about as far as the slope draws them in: a floor whose height grows with η. Dropping η lowers the
floor, so the loss falls at once; dropping it too early leaves the network far from where it could have got.

Sources as named; the stairs are those of the training curves in He et al. 2016, fig. 4.
Departures: every racer is SGD with momentum 0.9; wrong labels in the training split make the floors visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Knobs, Objective, Preset, Scalars, batch_of, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import shuffled_digits
from descent.kit.extremes import extremes
from descent.kit.history import room_for_row
from descent.kit.nn.lean import update
from descent.kit.nn.race import by_learner, losses_by_learner
from descent.kit.nn.schedules import value
from descent.kit.nn.traced import Gradients, alone
from descent.kit.text import rough

TITLES = {
    "constant": "constant",
    "step": "step decay",
    "exponential": "exponential",
    "cosine": "cosine",
    "restarts": "restarts",
    "warmup": "warm-up",
    "one-cycle": "one cycle",
    "inverse-sqrt": "1/√n",
}
NAMES = list(TITLES)
PIXELS, HIDDEN, CLASSES = 64, 32, 10
TRAINED = 1400  # digits of 1,797; the rest is the test split
MEASURED_ON = 700  # of them, for the loss that is drawn
EVERY = 10  # steps between two measurements
MOMENTUM = 0.9
ROOM = 512  # measurements that are kept; when it is full, every other one goes
LOWEST = 1e-3  # η_min, of η
FLOOR_SHOWN = 24  # latest measurements among the dots


class ScheduleKnobs(Knobs):
    lr: float = rate(0.1, log=(1e-4, 1.0), typical=(0.02, 0.3))
    steps: int = live(2000, "Length of the race", "T", log=(200, 20_000), typical=(1000, 5000))
    factor: float = live(0.2, "Drop", "f", range=(0.05, 1.0), step=0.05, typical=(0.1, 0.5))
    warm: float = live(0.1, "Warm-up", "w", range=(0.01, 0.5), step=0.01, typical=(0.05, 0.3))
    batch_size: int = batch_of(16, 256, typical=(8, 64))
    wrong: int = fixed(20, "Wrong labels", range=(0, 60), unit="%")


def rules(knobs: ScheduleKnobs) -> dict[str, tuple[dict[str, Any], float]]:
    """Each racer's schedule, and the value that it starts from."""
    lr, steps, low = knobs.lr, knobs.steps, LOWEST * knobs.lr
    quarter, warm = max(1, steps // 4), max(1, round(knobs.warm * steps))
    first = max(1, steps // 7)  # 1 + 2 + 4 sevenths
    return {
        "constant": ({"kind": "constant"}, lr),
        "step": ({"kind": "step", "every": quarter, "factor": knobs.factor}, lr),
        "exponential": ({"kind": "exponential", "every": quarter, "factor": knobs.factor}, lr),
        "cosine": ({"kind": "cosine", "steps": steps, "low": low}, lr),
        "restarts": ({"kind": "restarts", "every": first, "growth": 2, "low": low}, lr),
        "warmup": ({"kind": "warmup", "steps": warm, "low": low}, lr),
        "one-cycle": (
            {"kind": "one-cycle", "steps": steps, "peak": lr, "low": low, "rise": knobs.warm},
            lr / 10,
        ),
        "inverse-sqrt": ({"kind": "inverse-sqrt", "warm": warm}, lr),
    }


def rates(knobs: ScheduleKnobs, step: int) -> list[float]:
    """η of each racer at a step."""
    return [value(rule, b, step) for rule, b in rules(knobs).values()]


class Racers(nn.Module):
    """R networks of one hidden layer, each with parameters of its own, computed side by side."""

    def __init__(self) -> None:
        super().__init__()
        w1, w2 = torch.randn(PIXELS, HIDDEN) / PIXELS**0.5, torch.randn(HIDDEN, CLASSES) / HIDDEN**0.5
        self.w1, self.b1, self.w2, self.b2 = (
            nn.ParameterList(start.clone() for _ in NAMES)
            for start in (w1, torch.zeros(1, HIDDEN), w2, torch.zeros(1, CLASSES))
        )

    def of(self, racer: int) -> list[Tensor]:
        """The parameters of one."""
        return [part[racer] for part in (self.w1, self.b1, self.w2, self.b2)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (R, B, 10) of all racers for x (B, 64)."""
        w1, b1, w2, b2 = (torch.stack(list(part)) for part in (self.w1, self.b1, self.w2, self.b2))
        return torch.baddbmm(b2, torch.tanh(torch.baddbmm(b1, x.expand(len(NAMES), -1, -1), w1)), w2)

    def alone(self, racer: int, x: Tensor) -> Tensor:
        """Logits (B, 10) of one."""
        w1, b1, w2, b2 = self.of(racer)
        return torch.tanh(x @ w1 + b1) @ w2 + b2


def losses_of(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of each racer, (R,), for logits (R, B, 10)."""
    racers, count = logits.shape[:2]
    each = F.cross_entropy(logits.flatten(0, 1), labels.repeat(racers), reduction="none")
    return each.view(racers, count).mean(1)


class Schedules(Experiment[ScheduleKnobs]):
    """The race, on scikit-learn's digits."""

    order = 5
    after = ("learning-rate",)
    minutes = 8
    level = 2
    invite = "Watch the loss fall by a stair where the rate drops, then pull Drop to 1: the stairs are gone."
    training_samples = TRAINED
    measures = losses_by_learner(TITLES)
    presets = {
        "too-large": Preset("Too large a rate", {"lr": 0.2, "steps": 1050}),
        "too-small": Preset("Too small a rate", {"lr": 0.002, "steps": 600}),
        "no-noise": Preset("Large batches", {"batch_size": 256, "wrong": 0, "steps": 600}),
    }

    def build(self, knobs: ScheduleKnobs) -> None:
        """The digits, some with wrong labels, and eight networks with one start."""
        x, y = shuffled_digits(self.generator(-1))
        chance = torch.rand(TRAINED, generator=self.generator(-2)) < knobs.wrong / 100
        drawn = torch.randint(CLASSES, (TRAINED,), generator=self.generator(-3))
        self.x, self.test_x = x[:TRAINED].to(self.device), x[TRAINED:].to(self.device)
        self.y = torch.where(chance, drawn, y[:TRAINED]).to(self.device)
        self.test_y = y[TRAINED:].to(self.device)
        self.model = Racers().to(self.device)
        self.optimizers = [
            torch.optim.SGD(self.model.of(racer), lr, momentum=MOMENTUM, foreach=False)
            for racer, lr in enumerate(rates(knobs, 0))
        ]
        self.traced = Gradients(list(self.model.parameters()))
        self.history = torch.full((ROOM, 3, len(NAMES)), float("nan"))  # loss, accuracy, rate
        self.history_steps = torch.zeros(ROOM)
        self.kept, self.stride = 0, EVERY

    def changed(self, knobs: ScheduleKnobs, names: set[str]) -> None:
        self._tune(knobs)

    def _tune(self, knobs: ScheduleKnobs) -> None:
        for optimizer, lr in zip(self.optimizers, rates(knobs, self.step_index), strict=True):
            optimizer.param_groups[0]["lr"] = lr

    def _batch(self, knobs: ScheduleKnobs) -> tuple[Tensor, Tensor]:
        chosen = coming_rows(self, knobs.batch_size, TRAINED)
        return self.x[chosen], self.y[chosen]

    def step(self, knobs: ScheduleKnobs) -> Scalars:
        """One step of every racer on the same mini-batch, each at its own rate."""
        self._tune(knobs)
        self.traced(alone(self._sum), *self._batch(knobs), settings=())
        for optimizer in self.optimizers:
            update(optimizer)
        now = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        row: dict[str, float | Tensor] = {f"rate/{name}": lr for name, lr in zip(NAMES, now, strict=True)}
        if self.step_index % EVERY == 0:
            row |= self._measure(now)
        return row

    def _sum(self, x: Tensor, y: Tensor) -> Tensor:
        """All losses: each parameter is in one only."""
        return losses_of(self.model(x), y).sum()

    @torch.no_grad()
    def _measure(self, now: list[float]) -> dict[str, float]:
        losses = losses_of(self.model(self.x[:MEASURED_ON]), self.y[:MEASURED_ON]).cpu()
        self.kept, self.stride = room_for_row(self.kept, self.stride, self.history, self.history_steps)
        if self.step_index % self.stride == 0:
            correct = (self.model(self.test_x).argmax(-1) == self.test_y).float().mean(1)
            self.history[self.kept] = torch.stack([losses, correct.cpu(), torch.tensor(now)])
            self.history_steps[self.kept] = self.step_index + 1
            self.kept += 1
        return {f"loss/{name}": loss for name, loss in zip(NAMES, losses.tolist(), strict=True)}

    def objectives(self, knobs: ScheduleKnobs) -> Mapping[str, Objective]:
        """Each racer's cross-entropy on the coming mini-batch."""
        x, y = self._batch(knobs)

        def of(racer: int) -> Objective:
            w1, b1, w2, b2 = parameters = self.model.of(racer)
            return Objective(
                lambda: F.cross_entropy(self.model.alone(racer, x), y),
                parameters,
                self.optimizers[racer],
                {"hidden": [w1, b1], "output": [w2, b2]},
            )

        return {TITLES[name]: of(racer) for racer, name in enumerate(NAMES)}

    @p.lines("The race", size="hero")
    def race(self, knobs: ScheduleKnobs) -> p.Lines:
        """What was measured so far: loss on the training split, accuracy on the test split."""
        known = self.history[: self.kept]  # (K, 3, R)
        steps, values = self.history_steps[: self.kept], known[:, :2].permute(1, 2, 0)
        if not self.kept:
            steps, values = torch.zeros(1), torch.full((2, len(NAMES), 1), float("nan"))
        quarter = max(1, knobs.steps // 4)
        drops = [
            (f"×{knobs.factor:g}", float(quarter * k)) for k in (1, 2, 3) if quarter * k <= self.step_index
        ]
        if knobs.steps <= self.step_index:
            drops.append(("T", float(knobs.steps)))
        picture = p.Lines(
            x=steps,
            values=values,
            groups=["loss", "accuracy"],
            series=list(TITLES.values()),
            x_label="step",
            marks=[drops, drops],
        )
        found = extremes(values[0, :, -1], picture.series)
        text = "{low} has the lowest loss now, {least}; {high} the highest, {most}."
        return p.says(picture, text, **found) if found else picture

    @p.ranking("Who is ahead")
    def standing(self, knobs: ScheduleKnobs) -> p.Ranking:
        """The last measurement, and the rates of the coming step."""
        now = torch.tensor(rates(knobs, self.step_index))
        if self.kept:
            loss, accuracy, _ = self.history[self.kept - 1]
        else:
            loss = accuracy = torch.full((len(NAMES),), float("nan"))
        picture = p.Ranking(
            values=torch.stack([accuracy, loss, now], 1),
            names=list(TITLES.values()),
            columns=["accuracy", "loss", "η"],
            ranges=[(0.0, 1.0), (0.0, 2.5), (0.0, knobs.lr)],
        )
        found = extremes(100 * accuracy, picture.names)
        text = "{high} reads most unseen digits right, {most}%; {low} fewest, {least}%."
        return p.says(picture, text, **found) if found else picture

    @p.lines("Does a higher rate hover higher?", legend=False)
    def floor(self, knobs: ScheduleKnobs) -> p.Lines:
        """Loss against rate of the latest measurements, by racer."""
        latest = self.history[max(0, self.kept - FLOOR_SHOWN) : self.kept]  # (K, 3, R)
        racers = torch.arange(len(NAMES)).expand(len(latest), -1)
        dots = torch.stack([torch.zeros_like(racers), racers, latest[:, 2], latest[:, 0]], -1).float()
        ends = torch.tensor([LOWEST * knobs.lr, knobs.lr])
        picture = p.Lines(
            x=ends,
            values=torch.full((1, len(NAMES), 2), float("nan")),
            groups=["loss"],
            series=list(TITLES.values()),
            x_label="η",
            x_log=True,
            dots=dots.flatten(0, 1),
        )
        found = extremes(latest[-1, 2], picture.series) if len(latest) else None
        if not found:
            return picture
        losses = dict(zip(picture.series, latest[-1, 0].tolist(), strict=True))
        above, below = rough(losses[found["high"]]), rough(losses[found["low"]])
        text = "The highest rate is {high}'s, with loss {above}; the lowest {low}'s, with {below}."
        return p.says(picture, text, above=above, below=below, **found)

    rate = p.scalars(by_learner("rate", TITLES), "Learning rates", size="wide", log=True)
    losses = p.scalars(by_learner("loss", TITLES), "Loss, on a logarithmic axis", log=True)
