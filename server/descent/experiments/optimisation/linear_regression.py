"""Linear regression.

A straight line learns to follow points. Three learners start from the same line and go down the same bowl:
one looks at all points before each step, one at a single point, one at a few.

The line ŷ = wx + b has the mean squared error of its N points as its loss. The chain rule gives its slopes:

    L(w, b) = (1/N) Σ (yᵢ − wxᵢ − b)²
    ∂L/∂w = (1/N) Σ −2 (yᵢ − wxᵢ − b) xᵢ
    ∂L/∂b = (1/N) Σ −2 (yᵢ − wxᵢ − b)
    w ← w − η ∂L/∂w,  b ← b − η ∂L/∂b

Batch descent takes these means over all N points, stochastic descent over one, mini-batch descent over B.
L is a bowl: its Hessian H = 2 [[mean x², mean x], [mean x, 1]] is the same everywhere, so batch descent
converges for η < 2/λ_max(H) and for no larger η. Watch the bowl turn into a valley as the points move away
from x = 0.

Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), §5.1.4 (the model) and §5.9 (mini-batches).
Galaxies: Hubble 1929, PNAS 15(3), table 1.
Departures: float64. Some texts halve the loss; a knob does. A learner further than ten maps away is out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic
import torch
from pydantic import model_validator
from torch import Tensor, optim

from descent.contract import Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.batches import coming_rows
from descent.kit.data.columns import PairedData, own_pairs, own_table
from descent.kit.data.points import EXAMS, MOST, hubble, points_of
from descent.kit.extremes import extremes
from descent.kit.history import latest_rows, on_one_axis
from descent.kit.nn.lean import update
from descent.kit.nn.line import Line, margins, rounded_up
from descent.kit.nn.race import Race, by_learner
from descent.kit.text import rough

NAMES = ("batch", "stochastic", "mini-batch")
POINTS = 60  # of the line that is made up
TRAIL = 1500  # latest points of a path that are kept
GRID = 96  # samples along either side of the drawn surface
SHOWN = 150  # points of a curve over the points looked at
FAR = 10.0  # maps: how far from the middle a learner is out
SETTLED = 1e-9  # what is smaller is left out: it would take up most of a logarithmic chart
FAINT = 1e-6  # of the scale of slopes: less is shown as next to nothing

OWN = {"data": ["file"]}  # knobs that matter for a file
Coordinate = Annotated[float, pydantic.Field(ge=-1e4, le=1e4)]


class RegressionKnobs(Knobs):
    # fmt: off
    lr: float = rate(
        0.05, log=(1e-6, 10.0), typical=(0.003, 0.3), help="Length of a step per slope, for all three.")
    batch_size: int = live(8, "Mini-batch size", "B", log=(1, MOST), typical=(2, 30))
    start: tuple[Coordinate, Coordinate] = live((-2.0, -2.0), "Start", "w₀, b₀", role="task")
    loss: Literal["mse", "half"] = live(
        "mse", "Loss", "L", options={"mse": "MSE", "half": "½ MSE"}, role="task")
    derivative: Literal["right", "minus", "no-x"] = live(
        "right", "Derivative",
        options={"right": "right", "minus": "a minus too many", "no-x": "without the factor x"})
    offset: float = live(
        1.0, "Middle of x", "x̄", range=(-10.0, 10.0), step=0.1, when={"data": ["line"]}, group="data",
        role="task")
    noise: float = live(
        0.8, "Noise", "σ", range=(0.0, 3.0), step=0.1, when={"data": ["line"]}, group="data", role="task")
    standardise: Literal["custom", "always", "never"] = live(
        "custom", "Standardise x", options={"custom": "own table only", "always": "always", "never": "never"},
        group="data", role="task")
    data: Literal["line", "hubble", "custom", "file"] = fixed(
        "line", "Data", options={"line": "a noisy line", "hubble": "galaxies (Hubble 1929)",
        "custom": "your own table", "file": "a file of yours"}, group="data")
    csv: str = fixed(EXAMS, "Your table", when={"data": ["custom"]}, max_length=50_000, lines=7, group="data")
    file: str = fixed("", "Your file", when=OWN, own="table", max_length=32, group="data")
    x_column: str = fixed("", "Column x", when=OWN, column_of="file", max_length=200, group="data")
    y_column: str = fixed("", "Column y", when=OWN, column_of="file", max_length=200, group="data")
    # fmt: on

    @property
    def scaled(self) -> bool:
        """Whether x is standardised."""
        return {"always": True, "never": False}.get(self.standardise, self.data in ("custom", "file"))

    @model_validator(mode="after")
    def _table_can_be_read(self) -> RegressionKnobs:
        points_of(self.csv, "csv")
        return self


def loss_of(line: Line, x: Tensor, y: Tensor, knobs: RegressionKnobs) -> Tensor:
    """The mean squared error on the points (x, y), or half of it."""
    error: Tensor = y - line(x)
    return factor(knobs) * error.square().mean()


def factor(knobs: RegressionKnobs) -> float:
    """What the mean squared error is multiplied by."""
    return 0.5 if knobs.loss == "half" else 1.0


def by_hand(line: Line, x: Tensor, y: Tensor, knobs: RegressionKnobs) -> tuple[Tensor, Tensor]:
    """∂L/∂w and ∂L/∂b on the points (x, y), each (n,); wrong if the knobs say so."""
    error = y - line(x)  # y − wx − b
    dw = factor(knobs) * (-2 * error * x).mean()  # (1/n) Σ −2 (y − wx − b) x
    db = factor(knobs) * (-2 * error).mean()  # (1/n) Σ −2 (y − wx − b)
    match knobs.derivative:
        case "minus":
            return -dw, -db
        case "no-x":
            return db.clone(), db
    return dw, db


class LinearRegression(Race[RegressionKnobs]):
    """Three learners of one line. One that flies off is out; the run diverges when the last one is."""

    order = 0
    pace = 20.0
    titles = dict(zip(NAMES, NAMES, strict=True))
    minutes = 11
    level = 1
    invite = (
        "Drag the ring to another start, then drag the learning rate η to the right until the first learner "
        "flies off."
    )
    measures = {
        f"loss/{name}": Measure("loss", of=name, knobs=("batch_size",) if name == "mini-batch" else ())
        for name in NAMES
    }
    steers = {"lr": "optimizers"}
    presets = {
        "too-large": Preset("Too large a rate", {"lr": 0.35}),
        "one-point": Preset("Why it never rests", {"lr": 0.1}),
        "valley": Preset("A valley, then a round bowl", {"offset": 5.0, "lr": 0.015}),
        "minus": Preset("A minus too many", {"derivative": "minus", "lr": 0.01}),
        "hubble": Preset("Galaxies fly apart", {"data": "hubble", "lr": 0.2}),
    }

    def build(self, knobs: RegressionKnobs) -> None:
        """The points, their bowl, and three lines at the start."""
        self._load(knobs)
        self._restart(knobs)

    def _pairs(self, knobs: RegressionKnobs) -> PairedData:
        match knobs.data:
            case "line":
                x = knobs.offset + torch.linspace(-2, 2, POINTS, dtype=torch.float64)
                ε = torch.randn(POINTS, generator=self.generator(-1), dtype=torch.float64)
                return PairedData(x, 2 * x + 1 + knobs.noise * ε)
            case "file":
                columns, table = (knobs.x_column, knobs.y_column), own_table(knobs.file, self.data)
                return own_pairs(table, columns, MOST, self.generator(-1))
        points = hubble() if knobs.data == "hubble" else points_of(knobs.csv, "csv")
        x, y = torch.tensor(points, dtype=torch.float64).unbind(1)
        return PairedData(x, y)

    def _load(self, knobs: RegressionKnobs) -> None:
        """The points, and all there is to know of their bowl: H, its bottom, and how much of it to draw."""
        self.pairs = self._pairs(knobs)
        self.raw, self.y = self.pairs.x.to(self.device), self.pairs.y.to(self.device)  # (N,)
        mean, deviation = self.raw.mean(), self.raw.std(correction=0)
        self.shift, self.scale = (mean.item(), deviation.item()) if knobs.scaled else (0.0, 1.0)
        self.x = x = (self.raw - self.shift) / self.scale  # (N,), what the lines see
        H = 2 * torch.stack([x.square().mean(), x.mean(), x.mean(), x.new_ones(())]).view(2, 2)
        self.hessian = H  # of the MSE, the same at every (w, b)
        w = ((x - x.mean()) * (self.y - self.y.mean())).mean() / x.var(correction=0)
        self.best = torch.stack([w, self.y.mean() - w * x.mean()])  # (2,), the least-squares line
        self.floor = (self.y - w * x - self.best[1]).square().mean()  # its loss, the lowest there is
        self.half = rounded_up(1.6 * max(self.best.abs().max().item(), 1.5))  # of the map's side

    def _restart(self, knobs: RegressionKnobs) -> None:
        self.learners = [Line(*knobs.start).to(self.device) for _ in NAMES]
        self.optimizers = [optim.SGD(line.parameters(), knobs.lr, fused=True) for line in self.learners]
        self.racing = list(range(len(NAMES)))  # those that are not out
        self.race_steps = 0
        self.looked_at = [0 for _ in NAMES]  # points, in all steps together
        # Rings: row k % TRAIL holds what was after k steps; NaN for those out.
        self.trail = torch.full((TRAIL, len(NAMES), 2), math.nan, dtype=torch.float64, device=self.device)
        self.trail_looked_at = torch.zeros(TRAIL, len(NAMES), dtype=torch.float64)
        self.trail[0] = self._places()

    def changed(self, knobs: RegressionKnobs, names: set[str]) -> None:
        """New points or a new start begin anew; all else takes over where the learners are."""
        made_of = {"offset", "noise"} if knobs.data == "line" else set()
        if names & ({"standardise"} | made_of):
            self._load(knobs)
            self._restart(knobs)
        elif "start" in names:
            self._restart(knobs)
        super().changed(knobs, names)

    def _batch(self, i: int, knobs: RegressionKnobs) -> tuple[Tensor, Tensor]:
        """The points that a learner looks at in the coming step."""
        if NAMES[i] == "batch":
            return self.x, self.y
        size = 1 if NAMES[i] == "stochastic" else knobs.batch_size
        chosen = coming_rows(self, size, len(self.x))
        return self.x[chosen], self.y[chosen]

    def _places(self) -> Tensor:
        """(w, b) of every learner: (P, 2)."""
        return torch.stack([torch.stack([line.w.detach(), line.b.detach()]) for line in self.learners])

    def _above(self, places: Tensor, knobs: RegressionKnobs) -> Tensor:
        """L − L_min at places (…, 2): ½ (θ − θ*)ᵀ H (θ − θ*)."""
        away = places - self.best
        return factor(knobs) * 0.5 * (away @ self.hessian * away).sum(-1)

    def _missed(self) -> Tensor:
        """The mean squared error of batch's line."""
        away = self._places()[0] - self.best
        return self.floor + 0.5 * away @ self.hessian @ away

    def step(self, knobs: RegressionKnobs) -> Scalars:
        """One step of every learner that is not out. Losses are over all points, whatever it looks at."""
        if not self.racing:
            return self.all_out()
        row: dict[str, float | Tensor] = {}
        losses = (self._above(self._places(), knobs) + factor(knobs) * self.floor).tolist()
        with torch.no_grad():
            for i in tuple(self.racing):
                line, (x, y) = self.learners[i], self._batch(i, knobs)
                dw, db = by_hand(line, x, y, knobs)
                row[f"loss/{NAMES[i]}"] = losses[i]
                if NAMES[i] == "batch":
                    row |= {"w": line.w.item(), "b": line.b.item(), "slope/w": dw, "slope/b": db}
                line.w.grad, line.b.grad = dw, db
                update(self.optimizers[i])  # w ← w − η ∂L/∂w, b ← b − η ∂L/∂b
                self.looked_at[i] += len(x)
                if not max(abs(line.w.item()), abs(line.b.item())) < FAR * self.half:
                    self.racing.remove(i)
        self.race_steps += 1
        now = self.race_steps % TRAIL
        self.trail[now] = math.nan
        self.trail[now, self.racing] = self._places()[self.racing]
        self.trail_looked_at[now] = torch.tensor(self.looked_at, dtype=torch.float64)
        return row

    def objectives(self, knobs: RegressionKnobs) -> Mapping[str, Objective]:
        """Each learner's loss on the points it looks at."""

        def of(i: int) -> Objective:
            line, (x, y) = self.learners[i], self._batch(i, knobs)
            layers = {"w, b": list(line.parameters())}
            return Objective.of(line, self.optimizers[i], lambda: loss_of(line, x, y, knobs), layers)

        return {NAMES[i]: of(i) for i in self.racing}

    @p.contour("Three ways down", size="hero", edits="start")
    def bowl(self, knobs: RegressionKnobs) -> p.Contour:
        """L over (w, b), and the latest `TRAIL` points of every path."""
        half = max(self.half, *map(abs, knobs.start))
        axis = torch.linspace(-half, half, GRID, dtype=torch.float64, device=self.device)
        plane = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)  # (GRID, GRID, 2)
        floor = factor(knobs) * self.floor
        paths = latest_rows(self.trail, self.race_steps + 1).transpose(0, 1)  # (P, T, 2)
        w, b = self.best.tolist()
        picture = p.Contour(
            values=self._above(plane, knobs) + floor,
            x=(-half, half),
            y=(-half, half),
            paths=paths,
            heights=self._above(paths, knobs) + floor,
            names=NAMES,
            axes=("w", "b"),
            surface=f"{half} {w} {b} {self.hessian.tolist()} {knobs.loss}",
            minima=[(w, b)],
            start=knobs.start,
            out=self.gone(),
        )
        above = self._above(paths[:, -1], knobs)  # NaN for who is out
        found = extremes(torch.where(above < SETTLED, 0, above), NAMES)
        text = "{low} is {least} above the bottom, {high} is {most} above it."
        return p.says(picture, text, **found) if found else picture

    @p.lines("The line", size="pair")
    def fit(self, knobs: RegressionKnobs) -> p.Lines:
        """The three lines, over x as it was given."""
        ends = margins(self.raw)
        w, b = self._places().unbind(1)
        ŷ = w[:, None] * (ends - self.shift) / self.scale + b[:, None]  # (P, 2)
        low, high = margins(self.y).tolist()
        seen = [(-1, self.x, self.y), *((i, *self._batch(i, knobs)) for i in (2, 1))]
        picture = p.Lines(
            x=ends,
            values=ŷ,
            series=NAMES,
            x_label=self.pairs.names[0],
            y_label=self.pairs.names[1],
            remarks=self.pairs.remarks,
            y_ranges=[(low, high)],
            dots=torch.cat([p.Lines.dot(x * self.scale + self.shift, y, series=i) for i, x, y in seen]),
        )
        now, best = (away.sqrt().item() for away in (self._missed(), self.floor))
        text = "Batch's line misses the points by {now} (root mean square), the best line by {best}."
        return p.says(picture, text, now=rough(now), best=rough(best))

    @p.heatmap("Are the slopes by hand right?")
    def derivatives(self, knobs: RegressionKnobs) -> p.Heatmap:
        """∂L/∂w and ∂L/∂b, by the formula, by autograd, and their difference."""
        line = self.learners[0]
        hand = torch.stack(by_hand(line, self.x, self.y, knobs))
        with torch.enable_grad():
            loss = loss_of(line, self.x, self.y, knobs)
            autograd = torch.stack(torch.autograd.grad(loss, [line.w, line.b]))
        values = torch.stack([hand, autograd, hand - autograd], 1)
        # The slopes of a flat line at 0, near enough: rounding, far below, is not to be as red as they are.
        scale = float(self.y.abs().mean() * self.x.abs().mean().clamp(min=1))
        end = max(float(values.detach().abs().max()), FAINT * scale)
        picture = p.Heatmap(
            values=values,
            rows=["∂L/∂w", "∂L/∂b"],
            columns=["by hand", "autograd", "difference"],
            scale="diverging",
            range=(-end, end) if math.isfinite(end) and end > 0 else None,
            annotate=True,
        )
        if not math.isfinite(end):
            return picture
        wrong = bool((values[:, 2].abs() > FAINT * end).any())
        agree = "By hand and autograd agree."
        differ = "By hand and autograd differ: the formula is wrong."
        return p.says(picture, differ if wrong else agree)

    @p.lines("Who learns most from few points?", size="wide")
    def by_points(self, knobs: RegressionKnobs) -> p.Lines:
        """Each path's loss over the points it took, on logarithmic axes."""
        above = self._above(latest_rows(self.trail, self.race_steps + 1), knobs)  # (T, P)
        looked_at = latest_rows(self.trail_looked_at, self.race_steps + 1)  # (T, P)
        chosen = torch.logspace(0, math.log10(len(above)), SHOWN).round().long().unique() - 1  # (n,)
        x, values = on_one_axis(looked_at[chosen], above[chosen])
        picture = p.Lines(
            x=x,
            values=torch.where(values > SETTLED, values, math.nan),
            series=NAMES,
            x_label="points",
            x_log=True,
            y_log=True,
        )
        text = "Points looked at so far: batch {batch}, mini-batch {some}, stochastic {one}."
        batch, one, some = self.looked_at
        return p.says(picture, text, batch=batch, some=some, one=one)

    parameters = p.scalars(
        {"w": "w", "b": "b", "slope/w": "∂L/∂w", "slope/b": "∂L/∂b"}, "Batch: w, b and their slopes"
    )
    losses = p.scalars(by_learner("loss", titles), "Loss on all points", log=True)

    @p.lines("The slope of each point alone")
    def singles(self, knobs: RegressionKnobs) -> p.Lines:
        """The gradient of every point's loss alone."""
        line = self.learners[0]
        error = self.y - line(self.x)
        each = factor(knobs) * torch.stack([-2 * error * self.x, -2 * error], 1)  # (N, 2)
        mean = each.mean(0)
        with_origin = torch.cat([each, 0 * each[:1]])
        left, right = margins(with_origin[:, 0]).tolist()
        low, high = margins(with_origin[:, 1]).tolist()
        arrow = sorted([(0.0, 0.0), (mean[0].item(), mean[1].item())])
        x, y = zip((left, math.nan), *arrow, (right, math.nan), strict=True)
        picture = p.Lines(
            x=torch.tensor(x),
            values=torch.tensor(y).view(1, 1, -1),
            series=["mean"],
            x_label="∂ℓ/∂w",
            y_ranges=[(low, high)],
            dots=torch.cat([p.Lines.dot(*each.T), p.Lines.dot(*mean, series=0)]),
        )
        if not mean.isfinite().all():
            return picture
        text = "{against} of {all} points pull w the other way than their mean does."
        return p.says(picture, text, against=int((each[:, 0] * mean[0] < 0).sum()), all=len(each))

    @p.lines("How much of the way does a step leave?")
    def shrinking(self, knobs: RegressionKnobs) -> p.Lines:
        """|1 − ηλ| of both eigenvalues of H, around the largest η that converges."""
        flat, steep = (factor(knobs) * torch.linalg.eigvalsh(self.hessian)).tolist()
        bound = 2 / steep
        η = torch.logspace(-3, 0.7, 120, dtype=torch.float64) * bound
        picture = p.Lines(
            x=η,
            values=(1 - torch.outer(torch.tensor([steep, flat], dtype=torch.float64), η)).abs(),
            series=["steepest", "flattest"],
            x_label="η",
            x_log=True,
            marks=[[("now", knobs.lr), ("2/λₘₐₓ", bound)]],
            notes=[f"λ = {steep:.3g}, {flat:.3g};  2/λₘₐₓ = {bound:.4g}"],
            y_ranges=[(0.0, 1.6)],
        )
        steep_left, flat_left = (rough(100 * abs(1 - knobs.lr * λ)) for λ in (steep, flat))
        text = "Now a step leaves {steep}% of the way where it is steepest, {flat}% where it is flattest."
        return p.says(picture, text, steep=steep_left, flat=flat_left)
