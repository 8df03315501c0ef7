"""Exponentially weighted average.

A thermometer's noisy days come in one by one, and an average forgets them as it goes. Choose how slowly:
too fast and it shivers with the noise, too slowly and summer comes late.

With the temperature θ_t of day t and v_0 = 0:

    v_t = β v_{t−1} + (1 − β) θ_t = (1 − β) Σ_k β^k θ_{t−k}
    v̂_t = v_t / (1 − β^t), as the weights of the first t days only sum to 1 − β^t
    β^(1/(1−β)) ≈ 1/e: days older than 1/(1 − β) weigh less than about a third of today

Watch the average lag as it gets smoother, and creep up from 0 where nothing corrects it. Momentum, RMSprop
and Adam take just this average, of gradients and of their squares.

Source: Andrew Ng, "Improving Deep Neural Networks" (2017), week 2, exponentially weighted averages and their
bias correction; Kingma and Ba 2015, arXiv:1412.6980, §3.
Departures: the temperatures are made up, mean and swing like London's, so that the truth under the noise is
known. Here a step is one day: nothing is optimised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from descent.contract import Experiment, Knobs, Measure, Preset, Scalars, fixed, live
from descent.contract import panels as p
from descent.kit.extremes import extremes
from descent.kit.text import rough, superscript, term

YEAR = 365  # days on show
KEPT = 5000  # latest days that averages are taken of; 0.995^4635 < 1e-10
FIRST = 100  # days, of the panel on the beginning
JUDGED = 3 * YEAR  # latest days that lag and noise are measured on
COMPARED = (0.5, 0.9, 0.98)
LISTED = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
READINGS = 3  # the series that the dots of the days belong to; it has no curve
WINDOWS = np.geomspace(1, 200, 16)  # 1/(1 − β), of the trade-off

Vector = np.ndarray


class AverageKnobs(Knobs):
    beta: float = live(0.9, "Weight of the past", "β", range=(0.0, 0.995), step=0.005, typical=(0.5, 0.98))
    truth: Literal["seasons", "jumps", "constant"] = fixed(
        "seasons",
        "Truth",
        options={"seasons": "seasons", "jumps": "sudden changes", "constant": "always the same"},
    )
    noise: float = fixed(3.0, "Noise", "σ", range=(0.0, 10.0), unit="°C", step=0.1)


def truth_at(day: Vector, kind: str) -> Vector:
    """The temperature without noise, in °C, day 1 being the first of January."""
    match kind:
        case "seasons":
            return 11.5 - 6.5 * np.cos(2 * np.pi * (day - 20) / YEAR)  # coldest around 20 January
        case "jumps":
            return np.where((day - 1) // 90 % 2 == 0, 8.0, 16.0)
        case _:
            return np.full(len(day), 11.5)


def averages(theta: Sequence[float], beta: float) -> Vector:
    """v_1 … v_n of θ_1 … θ_n."""
    v, found = 0.0, []
    for theta_t in theta:
        v = beta * v + (1 - beta) * theta_t  # v_t = β v_{t−1} + (1 − β) θ_t
        found.append(v)
    return np.array(found)


def corrected(v: Vector, beta: float, t: int = 0) -> Vector:
    """v̂ for each v, the last of which is that of day t; without t, the first is that of day 1."""
    last = t or len(v)
    return v / (1 - beta ** np.arange(last - len(v) + 1, last + 1))  # v̂_t = v_t / (1 − β^t)


def window_of(beta: float) -> float:
    """How many days the average is taken over, so to say."""
    return 1 / (1 - beta)


class MovingAverage(Experiment[AverageKnobs]):
    """Days of noisy temperatures, and their averages. A step is a day."""

    order = 3
    pace = 20.0
    after = ("linear-regression",)
    minutes = 10
    level = 1
    invite = "Drag the weight of the past β to the right: the average gets smoother, but lags."
    measures = {
        "error/average": Measure("loss", of="average v"),
        "error/corrected": Measure("loss", of="corrected v̂"),
    }
    presets = {
        "nervous": Preset("Two days: β = 0.5", {"beta": 0.5}),
        "late": Preset("Fifty days: β = 0.98", {"beta": 0.98}),
        "beginning": Preset("The first days", {"beta": 0.98, "truth": "constant"}),
        "jumps": Preset("A sudden change", {"truth": "jumps", "beta": 0.9, "noise": 1.0}),
    }

    def build(self, knobs: AverageKnobs) -> None:
        """No day has come yet."""
        self.theta = torch.zeros(0, dtype=torch.float64)  # the latest days' temperatures
        self.beginning = torch.zeros(0, dtype=torch.float64)  # those of the first days
        self.v = 0.0

    def changed(self, knobs: AverageKnobs, names: set[str]) -> None:
        """Average all days anew, as if β had always been what it is now."""
        if len(self.theta):
            self.v = float(averages(self.theta.tolist(), knobs.beta)[-1])

    def step(self, knobs: AverageKnobs) -> Scalars:
        """One more day: its temperature, and the average with it."""
        t, beta = self.step_index + 1, knobs.beta
        truth = float(truth_at(np.array([t]), knobs.truth)[0])
        weather = torch.randn((), generator=self.generator(t), dtype=torch.float64)
        theta = truth + knobs.noise * weather
        self.v = beta * self.v + (1 - beta) * float(theta)
        v_hat = self.v / (1 - beta**t)
        self.theta = torch.cat([self.theta, theta[None]])[-KEPT:]
        self.beginning = torch.cat([self.beginning, theta[None]])[:FIRST]
        return {
            "temperature/observed": theta,
            "temperature/truth": truth,
            "temperature/average": self.v,
            "temperature/corrected": v_hat,
            "error/observed": abs(theta - truth),
            "error/average": abs(self.v - truth),
            "error/corrected": abs(v_hat - truth),
        }

    def _days(self, most: int) -> Vector:
        """The numbers of the latest days, of as many as are kept and at most so many."""
        count = min(most, len(self.theta))
        return np.arange(self.step_index - count, self.step_index) + 1.0

    @p.lines("Temperature", size="hero")
    def temperature(self, knobs: AverageKnobs) -> p.Lines:
        """The last year: observations, truth, and the average with and without correction."""
        beta, theta = knobs.beta, self.theta.tolist()
        x = self._days(YEAR)
        v = averages(theta, beta)
        v_hat = corrected(v, beta, self.step_index)
        values = [truth_at(x, knobs.truth), v[-YEAR:], v_hat[-YEAR:], np.full_like(x, math.nan)]
        dots = [np.zeros_like(x), np.full_like(x, READINGS), x, np.array(theta[-YEAR:])]
        picture = p.Lines(
            x=x if len(x) else np.zeros(1),
            values=np.array(values)[None] if len(x) else np.full((1, 4, 1), math.nan),
            groups=["°C"],
            series=["truth", "average v", "corrected v̂", "each day"],
            x_label="day",
            dots=np.stack(dots, 1),
            notes=[self._spelled(v, theta, beta)],
        )
        if not len(x):
            return picture
        truth, day = values[0], np.array(theta[-YEAR:])
        text = "Here v̂ is {average} °C off the truth (root mean square), a single day {day} °C."
        away = rough(_size(v_hat[-YEAR:] - truth))
        return p.says(picture, text, average=away, day=rough(_size(day - truth)))

    def _spelled(self, v: Vector, theta: Sequence[float], beta: float) -> str:
        """The last day's average with its numbers."""
        if not theta:
            return ""
        before = v[-2] if len(v) > 1 else 0.0
        return (
            f"v = β v + (1 − β) θ = {beta:g} · {term(before)} + {1 - beta:.3g} · {term(theta[-1])} "
            f"= {term(v[-1])}"
        )

    @p.lines("Weights of past days")
    def weights(self, knobs: AverageKnobs) -> p.Lines:
        """(1 − β) β^k of k days ago, as bars from k to k + 1, up to the window and beyond it."""
        beta, window = knobs.beta, window_of(knobs.beta)
        k = np.arange(math.ceil(4 * window))
        x = np.stack([k, k + 0.999], 1).ravel()
        height = np.repeat((1 - beta) * beta**k, 2)
        inside = np.repeat(k < window - 1e-9, 2)
        values = np.where([inside, ~inside], height, math.nan)[None]
        picture = p.Lines(
            x=x,
            values=values,
            low=0 * values,
            high=values,
            groups=["(1 − β) βᵏ"],
            series=["1/(1 − β)", "older"],
            x_label="k days ago",
            marks=[[("1/(1 − β)", window)]],
            notes=[f"{beta:g}{superscript(round(window))} = {beta ** round(window):.3f},  1/e = 0.368"],
        )
        share = 100 * float(height[::2][k < window - 1e-9].sum())
        text = "The latest 1/(1 − β) = {days} days have {percent}% of the weight."
        return p.says(picture, text, days=rough(window), percent=rough(share))

    @p.lines("Several β at once", size="wide")
    def several(self, knobs: AverageKnobs) -> p.Lines:
        """The corrected averages of the last year for a few β."""
        x, theta = self._days(YEAR), self.theta.tolist()
        rows = [corrected(averages(theta, beta), beta, self.step_index)[-YEAR:] for beta in COMPARED]
        values = np.array([truth_at(x, knobs.truth), *rows])
        picture = p.Lines(
            x=x if len(x) else np.zeros(1),
            values=values[None] if len(x) else np.full((1, len(values), 1), math.nan),
            groups=["°C"],
            series=["truth", *(f"β = {beta:g}" for beta in COMPARED)],
            x_label="day",
        )
        away = [_size(row - values[0]) if len(x) else math.nan for row in rows]
        found = extremes(away, picture.series[1:])
        text = "{low} is nearest the truth: {least} °C off; {high} is {most} °C off."
        return p.says(picture, text, **found) if found else picture

    def _apart(self, knobs: AverageKnobs, beta: float) -> tuple[Vector, Vector, Vector]:
        """The truth of the latest days, the average of it, and that of the noise: averaging is linear."""
        days = self._days(JUDGED)
        truth = truth_at(days, knobs.truth)
        noise = self.theta.numpy()[len(self.theta) - len(days) :] - truth
        smooth, rest = (corrected(averages(part.tolist(), beta), beta) for part in (truth, noise))
        return truth, smooth, rest

    @p.lines("Late, or noisy?")
    def trade_off(self, knobs: AverageKnobs) -> p.Lines:
        """Root mean square of the two errors and of both together, by the window 1/(1 − β)."""
        rows = np.full((3, len(WINDOWS)), math.nan)
        for i, beta in enumerate(1 - 1 / WINDOWS):
            if len(self.theta):
                truth, smooth, noise = self._apart(knobs, float(beta))
                rows[:, i] = [_size(smooth - truth), _size(noise), _size(smooth + noise - truth)]
        picture = p.Lines(
            x=WINDOWS,
            values=rows,
            groups=["°C"],
            series=["late", "noise", "both"],
            x_label="1/(1 − β)",
            x_log=True,
            marks=[[("β", window_of(knobs.beta))]],
        )
        if np.isnan(rows[2]).any():
            return picture
        best = WINDOWS[rows[2].argmin()]
        text = "1/(1 − β) = {best} errs least; yours is {now}."
        return p.says(picture, text, best=rough(best), now=rough(window_of(knobs.beta)))

    @p.lines("The first days")
    def bias(self, knobs: AverageKnobs) -> p.Lines:
        """The average of the first days with and without correction, and what it is divided by."""
        beta, theta = knobs.beta, self.beginning.tolist()
        v = averages(theta, beta) if theta else np.full(1, math.nan)
        v_hat, t = corrected(v, beta), len(v)
        x = np.arange(1.0, t + 1)
        dots = [np.zeros(len(theta)), np.full(len(theta), READINGS), x[: len(theta)], np.array(theta)]
        note = f"v̂ = {term(v[-1])} / (1 − {beta:g}{superscript(t)}) = {term(v_hat[-1])}"
        picture = p.Lines(
            x=x,
            values=np.array([truth_at(x, knobs.truth), v, v_hat, np.full(t, math.nan)]),
            groups=["°C"],
            series=["truth", "v", "v̂", "each day"],
            x_label="day",
            dots=np.stack(dots, 1),
            notes=[note if theta else ""],
        )
        share = rough(100 * (1 - beta**t))
        text = "Day {day}: the weights sum to {percent}%; v lacks the rest."
        return p.says(picture, text, day=t, percent=share) if theta else picture

    @p.ranking("Each β in numbers")
    def numbers(self, knobs: AverageKnobs) -> p.Ranking:
        """Window, measured lag, noise and error for some β, the learner's own included."""
        betas = sorted({*LISTED, knobs.beta})
        rows = []
        for beta in betas:
            truth, smooth, noise = self._apart(knobs, beta)
            known = len(truth) > 1
            errors = [_size(noise), _size(smooth + noise - truth)] if known else [math.nan] * 2
            rows.append([window_of(beta), _lag(truth, smooth), *errors])
        values = np.array(rows)
        largest = [max(1.0, float(np.nan_to_num(column).max())) for column in values.T]
        picture = p.Ranking(
            values=values,
            names=[f"{beta:g}" for beta in betas],
            columns=["1/(1 − β)", "days late", "noise °C", "error °C"],
            ranges=[(0.0, most) for most in largest],
        )
        found = extremes(values[:, 3].tolist(), picture.names)
        text = "β = {low} is least off the truth, by {least} °C; β = {high} most, by {most} °C."
        return p.says(picture, text, **found) if found else picture

    today = p.scalars(
        {
            "temperature/observed": "observed θ",
            "temperature/truth": "truth",
            "temperature/average": "average v",
            "temperature/corrected": "corrected v̂",
        },
        "As told on each day",
    )
    errors = p.scalars(
        {"error/observed": "a day's θ", "error/average": "average v", "error/corrected": "corrected v̂"},
        "Off the truth",
        smoothing=0.9,
    )


def _size(errors: Vector) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(errors**2)))


def _lag(truth: Vector, smooth: Vector) -> float:
    """By how many days the truth must be moved to be most like its average; NaN where it never changes."""
    most = min(len(truth) // 2, 250)
    if most < 1 or np.ptp(truth) < 1.0:
        return math.nan
    return float(
        np.argmin([np.mean((smooth[most:] - truth[most - d : len(truth) - d]) ** 2) for d in range(most)])
    )
