"""Grid against random search.

Two hyperparameters are to be found, and one matters far more. A grid, random points and a model of what was
found so far get the same number of trials. Each trial trains a small network on digits.

Of n trials on two knobs a grid sees only √n different values of each, random points n:

    grid      η ∈ {η_1 … η_√n}, λ ∈ {λ_1 … λ_√n}, all pairs
    random    ln η, ln λ uniform between their limits
    TPE       at η, λ where p(η, λ | good) / p(η, λ | bad) is largest

A trial descends θ ← θ − η (∇L + λ θ) for some steps; its result is the loss on digits not trained on.

Watch the loss by learning rate: where the grid has columns of points, random search has a cloud that reaches
into the gaps. By weight decay, nothing is to be seen.

Source: Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization", JMLR 13, §1 and figure 1;
Bergstra et al. 2011 for the tree-structured Parzen estimator (TPE), §4. The points are chosen by Optuna
(Akiba et al. 2019).
Departures: one network and two knobs. Here a step is one trial of each strategy, and when all trials are done
the next round begins with another network and other digits first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional as F

from descent.contract import Experiment, KnobError, Knobs, Measure, Preset, Scalars, fixed, live
from descent.contract import panels as p
from descent.kit.data.digits import sklearn_digits
from descent.kit.extremes import extremes
from descent.kit.text import rough

STRATEGIES = {"grid": "grid", "random": "random", "tpe": "TPE"}
PIXELS, HIDDEN, CLASSES = 64, 16, 10
TRAIN, VALIDATION = 600, 600  # digits
BATCH = 32
STARTED = 5  # trials that TPE takes at random before it has a model
WORST = 10.0  # what a loss counts that is larger, or not finite
REMEMBERED = 60  # rounds
POOL = 1000  # of random search's trials, on which importance is measured
BINS = 5
NEARLY = 1.25  # times the lowest loss is nearly best


class SearchKnobs(Knobs):
    side: int = live(5, "Grid's side", "√n", range=(2, 8))
    rate_low: float = live(1e-3, "Lowest rate", "η", log=(1e-5, 1e3), group="search space")
    rate_high: float = live(100.0, "Highest rate", "η", log=(1e-5, 1e3), group="search space")
    decay_low: float = live(1e-6, "Lowest decay", "λ", log=(1e-8, 10.0), group="search space")
    decay_high: float = live(1e-2, "Highest decay", "λ", log=(1e-8, 10.0), group="search space")
    steps: int = fixed(40, "Steps of a trial", log=(5, 200), help="How long each network is trained.")

    @property
    def budget(self) -> int:
        """Trials of each strategy in a round."""
        return self.side**2

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """The search space: lowest and highest value of each."""
        return {"rate": (self.rate_low, self.rate_high), "decay": (self.decay_low, self.decay_high)}

    @model_validator(mode="after")
    def _something_to_search(self) -> SearchKnobs:
        for name, (low, high) in self.limits.items():
            if not low < high:
                raise KnobError(
                    f"{name}_high", "must be above the lowest, {low}, or there is nothing to search", low=low
                )
        return self


def propose(strategy: str, tried: Tensor, knobs: SearchKnobs, seed: int) -> tuple[float, float]:
    """The next η and λ by Optuna's sampler, given the trials so far: (n, 3), each η, λ and loss.

    A pure function: the study is made anew from the trials, and the sampler from a seed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space: dict[str, Any] = {
        name: optuna.distributions.FloatDistribution(low, high, log=True)
        for name, (low, high) in knobs.limits.items()
    }
    sampler: optuna.samplers.BaseSampler
    if strategy == "grid":
        sampler = optuna.samplers.GridSampler(grid(knobs), seed=seed)
    elif strategy == "random":
        sampler = optuna.samplers.RandomSampler(seed=seed)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTED)
    study = optuna.create_study(sampler=sampler)
    for rate, decay, loss in tried.tolist():
        values = {"rate": rate, "decay": decay}
        study.add_trial(optuna.create_trial(params=values, distributions=space, value=loss))
    asked = study.ask(space).params
    return asked["rate"], asked["decay"]


def grid(knobs: SearchKnobs) -> dict[str, list[float]]:
    """The values of each knob on the grid, in equal ratios from limit to limit."""
    return {
        name: np.geomspace(low, high, knobs.side).clip(low, high).tolist()
        for name, (low, high) in knobs.limits.items()
    }


def train(
    tried: Tensor, digits: tuple[Tensor, Tensor], unseen: tuple[Tensor, Tensor], steps: int, seed: int
) -> Tensor:
    """The losses (T,) on unseen digits of T networks, each trained with its own η and λ of `tried` (T, 2).

    All begin with the same weights and see the same mini-batches.
    """
    generator = torch.Generator().manual_seed(seed)
    count, device = len(tried), tried.device
    sizes = [(PIXELS, HIDDEN), (1, HIDDEN), (HIDDEN, CLASSES), (1, CLASSES)]
    bounds = [PIXELS**-0.5, 0.0, HIDDEN**-0.5, 0.0]  # biases begin at 0
    theta = [
        ((2 * torch.rand(size, generator=generator) - 1) * bound).to(device).repeat(count, 1, 1)
        for size, bound in zip(sizes, bounds, strict=True)
    ]  # W₁ (T, 64, HIDDEN), b₁ (T, 1, HIDDEN), W₂ (T, HIDDEN, 10), b₂ (T, 1, 10)
    eta, lambda_ = tried.float()[:, :, None, None].unbind(1)  # (T, 1, 1) each

    def losses(x: Tensor, y: Tensor) -> Tensor:
        h = torch.tanh(torch.baddbmm(theta[1], x.expand(count, -1, -1), theta[0]))
        z = torch.baddbmm(theta[3], h, theta[2])  # (T, B, 10)
        return F.cross_entropy(z.flatten(0, 1), y.repeat(count), reduction="none").view(count, -1).mean(1)

    x, y = digits
    for chosen in torch.randint(len(y), (steps, BATCH), generator=generator).to(device):
        for part in theta:
            part.requires_grad_()
        # A network's parameters are in its own loss only, so the gradient of the sum holds each one's.
        gradients = torch.autograd.grad(losses(x[chosen], y[chosen]).sum(), theta)
        with torch.no_grad():
            theta = [part - eta * (g + lambda_ * part) for part, g in zip(theta, gradients, strict=True)]
    with torch.no_grad():
        return losses(*unseen).nan_to_num(WORST, WORST).clamp(max=WORST)


class Search(Experiment[SearchKnobs]):
    """One trial of each strategy a step; a round is over when the budget is spent, then the next begins."""

    order = 7
    pace = 6.0
    after = ("linear-regression",)
    minutes = 9
    level = 1
    invite = "Give the grid more trials: how many does it need to catch up with random search?"
    measures = {f"best/{name}": Measure("loss", of=title) for name, title in STRATEGIES.items()}
    presets = {
        "nine": Preset("Nine trials", {"side": 3}),
        "lucky": Preset("A lucky grid", {"side": 3, "rate_low": 0.004, "rate_high": 1000.0}),
        "both": Preset("Both knobs matter", {"decay_low": 1e-4, "decay_high": 10.0}),
    }

    def build(self, knobs: SearchKnobs) -> None:
        """The digits, and no trial yet."""
        digits = sklearn_digits(8)
        pixels = digits.images.flatten(1)
        self.pixels = ((pixels - pixels.mean(0)) / pixels.std()).to(self.device)
        self.labels = digits.labels.to(self.device)
        self.round = 0
        self._begin_search()

    def _begin_search(self) -> None:
        self.tried = torch.zeros(len(STRATEGIES), 0, 3, dtype=torch.float64)  # η, λ, loss of this round's
        self.before = self.tried.clone()  # those of the round before
        self.bests = torch.zeros(
            0, len(STRATEGIES), 0, dtype=torch.float64
        )  # (R, 3, n) so far, of rounds done
        self.pool = torch.zeros(0, 3, dtype=torch.float64)  # random search's trials of all rounds

    def changed(self, knobs: SearchKnobs, names: set[str]) -> None:
        """Another space or budget is another search: begin it, with no trial done."""
        self.round += 1
        self._begin_search()

    def step(self, knobs: SearchKnobs) -> Scalars:
        """Each strategy chooses a point; all three are trained at once."""
        if self.tried.shape[1] == knobs.budget:
            self._end_round()
        seeds = torch.randint(2**31, (3,), generator=self.generator(self.step_index)).tolist()
        seeds[0] = self.seed % 2**31  # the grid's order: shuffled once, or it would never come to all points
        points = torch.tensor(
            [
                propose(strategy, tried, knobs, seed)
                for strategy, tried, seed in zip(STRATEGIES, self.tried, seeds, strict=True)
            ],
            dtype=torch.float64,
        )  # (3, 2)
        losses = self.evaluate(points, knobs)
        found = torch.cat([points, losses.double().cpu()[:, None]], 1)  # (3, 3)
        self.tried = torch.cat([self.tried, found[:, None]], 1)
        self.pool = torch.cat([self.pool, found[None, 1]])[-POOL:]
        best = self.tried[:, :, 2].amin(1)
        return {f"best/{strategy}": value for strategy, value in zip(STRATEGIES, best, strict=True)}

    def evaluate(self, points: Tensor, knobs: SearchKnobs) -> Tensor:
        """The losses (T,) of points (T, 2) in this round."""
        seed = self._seed_of_round()
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        seen, unseen = order[:TRAIN], order[TRAIN : TRAIN + VALIDATION]
        return train(
            points.to(self.device),
            (self.pixels[seen], self.labels[seen]),
            (self.pixels[unseen], self.labels[unseen]),
            knobs.steps,
            seed,
        )

    def _seed_of_round(self) -> int:
        return int(torch.randint(2**31, (), generator=self.generator(-1 - self.round)))

    def _end_round(self) -> None:
        so_far = self.tried[None, :, :, 2].cummin(2).values
        self.bests = torch.cat([self.bests.reshape(-1, *so_far.shape[1:]), so_far])[-REMEMBERED:]
        self.before, self.tried = self.tried, self.tried[:, :0]
        self.round += 1

    def _latest(self, knobs: SearchKnobs) -> Tensor:
        """As many trials as fit into a round, the latest of this one and the one before: (3, n, 3)."""
        return torch.cat([self.before, self.tried], 1)[:, -knobs.budget :]

    def _dots(self, horizontal: Tensor, vertical: Tensor) -> Tensor:
        """A dot for each trial (3, n), in its strategy's colour."""
        strategy = torch.arange(len(STRATEGIES), dtype=torch.float64)[:, None].expand_as(vertical)
        return torch.stack([torch.zeros_like(vertical), strategy, horizontal, vertical], 2).flatten(0, 1)

    @p.lines("Where they look", size="hero")
    def points(self, knobs: SearchKnobs) -> p.Lines:
        """The latest trials over the search space, and where the valley of the loss is."""
        rate, decay, loss = self._latest(knobs).unbind(2)  # (3, n)
        bottom, top = (math.log10(limit) for limit in knobs.limits["decay"])
        margin = 0.04 * (top - bottom)
        least, most = widened(knobs.limits["rate"])
        left, right = valley(torch.cat([self.pool, self._latest(knobs).flatten(0, 1)])) or (least, least)
        x = np.array([least, left, left, right, right, most])
        shape = (1, len(STRATEGIES) + 1, len(x))
        low = np.full(shape, bottom - margin)
        high = low.copy()
        high[0, -1, 2:4] = top + margin
        best = [("best", float(rate.flatten()[loss.argmin()]))] if loss.numel() else []
        picture = p.Lines(
            x=x,
            values=np.full(shape, math.nan),
            low=low,
            high=high,
            groups=["log₁₀ λ"],
            series=[*STRATEGIES.values(), "nearly best"],
            x_label="η",
            x_log=True,
            marks=[best],
            y_ranges=[(bottom - margin, top + margin)],
            dots=self._dots(rate, decay.log10()),
        )
        if not loss.numel():
            return picture
        place = int(loss.argmin())
        return p.says(
            picture,
            "{name} has the lowest loss, {loss}, at η = {rate}, λ = {decay}.",
            name=list(STRATEGIES.values())[place // loss.shape[1]],
            loss=rough(float(loss.min())),
            rate=rough(float(rate.flatten()[place])),
            decay=rough(float(decay.flatten()[place])),
        )

    def _marginal(self, knobs: SearchKnobs, knob: str, label: str) -> p.Lines:
        """The losses of the latest trials by one knob; the lines are at each strategy's lowest."""
        tried = self._latest(knobs)
        values, loss = tried[:, :, list(knobs.limits).index(knob)], tried[:, :, 2]  # (3, n)
        lowest = loss.amin(1) if loss.numel() else loss.new_full((len(STRATEGIES),), math.nan)
        picture = p.Lines(
            x=np.array(widened(knobs.limits[knob])),
            values=lowest[None, :, None].expand(1, -1, 2),
            groups=["loss"],
            series=list(STRATEGIES.values()),
            x_label=label,
            x_log=True,
            y_log=True,
            dots=self._dots(values, loss),
        )
        if not loss.numel():
            return picture
        good = values[loss <= NEARLY * loss.min()]
        text = "The losses within {percent}% of the lowest have {label} from {low} to {high}."
        ends = {"low": rough(float(good.min())), "high": rough(float(good.max()))}
        return p.says(picture, text, percent=rough(100 * (NEARLY - 1)), label=label, **ends)

    @p.lines("Loss by rate")
    def by_rate(self, knobs: SearchKnobs) -> p.Lines:
        """The projection on η."""
        return self._marginal(knobs, "rate", "η")

    @p.lines("Loss by decay")
    def by_decay(self, knobs: SearchKnobs) -> p.Lines:
        """The projection on λ."""
        return self._marginal(knobs, "decay", "λ")

    @p.lines("Best so far, by trial", size="wide")
    def best_so_far(self, knobs: SearchKnobs) -> p.Lines:
        """The lowest loss after each trial, and its quartiles over the rounds that are done."""
        values = torch.full((1, len(STRATEGIES), knobs.budget), math.nan)
        values[0, :, : self.tried.shape[1]] = self.tried[:, :, 2].cummin(1).values
        bands = {}
        if len(self.bests) >= 3:
            low, high = self.bests.quantile(torch.tensor([0.25, 0.75], dtype=torch.float64), 0)
            bands = {"low": low[None], "high": high[None]}
        picture = p.Lines(
            x=np.arange(1, knobs.budget + 1),
            values=values,
            groups=["loss"],
            series=list(STRATEGIES.values()),
            x_label="trial",
            y_log=True,
            **bands,
        )
        done = self.tried.shape[1]
        found = extremes(values[0, :, done - 1], picture.series) if done else None
        text = "After {done} of {all} trials, {low} has the lowest loss, {least}; {high} has {most}."
        return p.says(picture, text, done=done, all=knobs.budget, **found) if found else picture

    @p.ranking("Who won how many rounds")
    def rounds(self, knobs: SearchKnobs) -> p.Ranking:
        """Each strategy's lowest loss now and on average, and how often it was lower than the grid's."""
        loss = self.tried[:, :, 2]
        now = loss.amin(1) if loss.numel() else loss.new_full((len(STRATEGIES),), math.nan)
        mean, better = now * math.nan, now * math.nan
        if len(self.bests):
            final = self.bests[:, :, -1]  # (R, 3)
            mean, better = final.mean(0), 100 * (final < final[:, :1]).double().mean(0)
            better[0] = math.nan  # the grid itself
        values = torch.stack([now, mean, better], 1)
        most = max(0.5, float(values[:, :2].nan_to_num().max()))
        picture = p.Ranking(
            values=values,
            names=list(STRATEGIES.values()),
            columns=["now", "mean", "beats grid %"],
            ranges=[(0.0, most), (0.0, most), (0.0, 100.0)],
            baseline=torch.tensor([math.nan, math.nan, 50.0]),
            sort=2,
        )
        if not len(self.bests):
            return picture
        text = "Rounds done: {rounds}. Random beat the grid in {random}% of them, TPE in {tpe}%."
        _, random, tpe = map(rough, better.tolist())
        return p.says(picture, text, rounds=len(self.bests), random=random, tpe=tpe)

    @p.bars("Different values tried")
    def distinct(self, knobs: SearchKnobs) -> p.Bars:
        """How many different η and λ each strategy has among the latest trials."""
        counts = [[len(tried[:, knob].unique()) for knob in range(2)] for tried in self._latest(knobs)]
        picture = p.Bars(
            values=torch.tensor(counts, dtype=torch.float32),
            labels=["η", "λ"],
            series=list(STRATEGIES.values()),
        )
        text = "Of η, the grid tried {grid} values, random search {random}, TPE {tpe}."
        grid, random, tpe = (rate for rate, _ in counts)
        return p.says(picture, text, grid=grid, random=random, tpe=tpe)

    @p.bars("Which knob matters")
    def importance(self, knobs: SearchKnobs) -> p.Bars:
        """The adjusted share of the variance of ln loss between `BINS` bins of each knob."""
        picture = p.Bars(
            values=torch.tensor(
                [[100 * explained(self.pool[:, knob], self.pool[:, 2]) for knob in range(2)]]
            ),
            labels=["η", "λ"],
            range=(0.0, 100.0),
        )
        rate, decay = picture.values[0].tolist()
        if not rate + decay:  # too few trials to tell
            return picture
        text = "η alone explains {rate}% of how the losses differ, λ alone {decay}%."
        return p.says(picture, text, rate=rough(rate), decay=rough(decay))

    best = p.scalars(
        {f"best/{strategy}": title for strategy, title in STRATEGIES.items()}, "Round after round", log=True
    )


def widened(limits: tuple[float, float]) -> tuple[float, float]:
    """A little more than from limit to limit, so that nothing lies on the edge of a chart."""
    low, high = limits
    room = (high / low) ** 0.03
    return low / room, high * room


def valley(trials: Tensor) -> tuple[float, float] | None:
    """The least and the largest η of all trials (n, 3) whose loss is within `NEARLY` of the lowest."""
    if not len(trials):
        return None
    rate, _, loss = trials.unbind(1)
    good = rate[loss <= NEARLY * loss.min()]
    return float(good.min()), float(good.max())


def explained(values: Tensor, loss: Tensor) -> float:
    """The share of the variance of ln loss (n,) between bins of equally many values (n,), without what chance
    would give: 1 − (variance within) / (variance in all), both unbiased. 0 for fewer than two trials a bin.
    """
    if len(values) < 2 * BINS:
        return 0.0
    ranked = loss.clamp(min=1e-12).log()[values.argsort()]
    within = sum(part.sub(part.mean()).square().sum() for part in ranked.tensor_split(BINS))
    ratio = (within / (len(ranked) - BINS)) / ranked.var().clamp(min=1e-12)
    return max(0.0, 1 - float(ratio))
