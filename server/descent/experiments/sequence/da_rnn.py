"""DA-RNN: two attentions for a time series.

Forty sensors, and a series that follows five of them at a time. One attention chooses among the sensors,
another among the steps of the past; see where they look, and what the prediction is worth without either.

A window has K sensors x_t and the target y_t up to y_{T−1}; wanted is y_T. x^k is sensor k over all T steps:

    input attention     e_t^k = v_eᵀ tanh(W_e [h_{t−1}; s_{t−1}] + U_e x^k),  α_t = softmax of e_t over k
                        h_t = LSTM(h_{t−1}, (α_t^1 x_t^1, …, α_t^K x_t^K))
    temporal attention  l_t^i = v_dᵀ tanh(W_d [d_{t−1}; s'_{t−1}] + U_d h_i),  β_t = softmax of l_t over i
                        c_t = Σ_i β_t^i h_i,  d_t = LSTM(d_{t−1}, w̃ᵀ [y_{t−1}; c_{t−1}] + b̃)
    prediction          ŷ_T = v_yᵀ (W_y [d_T; c_T] + b_w) + b_v
    errors              RMSE = √mean (y − ŷ)²,  MAE = mean |y − ŷ|,  MAPE = 100 · mean |(y − ŷ)/y|

Without input attention the encoder is given x_t as it is; without temporal attention c_t = h_T. The plain
LSTM reads (x_t, y_{t−1}) and predicts from its last h. Persistence says ŷ_T = y_{T−1}.

Watch the input attention turn blue where a group begins to drive, and the temporal one gather at the lag.

Source: Qin, Song, Chen, Cheng, Jiang, Cottrell, "A Dual-Stage Attention-Based Recurrent Neural Network for
Time Series Prediction" (2017), arXiv:1704.02971, §3, and §4 for the ablations and the errors.
Departures: d_1 = 0, as there is no y_0; generated series for its stocks; no decay of the learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.columns import own_table
from descent.kit.data.house import THREE_WEEKS, a_week
from descent.kit.data.series import (
    Series,
    driven_series,
    ett_table,
    tabled_series,
)
from descent.kit.data.table import carried, read_table
from descent.kit.extremes import extremes
from descent.kit.nn.dual_stage import DARNN, PlainLSTM, Predicted
from descent.kit.nn.race import Race, by_learner, losses_by_learner, step_all
from descent.kit.reading import in_percent
from descent.kit.text import rough

Name = Literal["da_rnn", "no_input", "no_temporal", "lstm"]
LEARNERS: dict[Name, str] = {
    "da_rnn": "DA-RNN",
    "no_input": "no input attention",
    "no_temporal": "no temporal attention",
    "lstm": "plain LSTM",
}
PERSISTENCE = "persistence"
BESIDE = {**{str(name): title for name, title in LEARNERS.items()}, PERSISTENCE: PERSISTENCE}
GENERATED = 4000  # of the generated series
TESTED = 200  # steps at the end that are predicted, at most a fifth of all
EVERY = 25  # steps between two measurements
FAR = 1e6  # a loss beyond is out
UNKNOWN = "the target is missing in nearly all rows, or in the last {tested}, which test; choose another"
TOO_FEW = "it has {rows} rows of numbers; a window of {window} steps needs {least} or more"


class DARNNKnobs(Knobs):
    # fmt: off
    lr: float = rate(0.01, log=(1e-5, 1.0), typical=(1e-3, 0.02), group="training")
    batch_size: int = batch_of(64, 256, group="training")
    beside: Literal["no_input", "no_temporal", "lstm", "persistence"] = live(
        "persistence", "Beside it", group="looking", role="look",
        options={name: title for name, title in BESIDE.items() if name != "da_rnn"})
    back: int = live(9, "Sensors' step", range=(0, 29), unit="steps back", group="looking", role="look")
    window: int = fixed(10, "Window", "T", range=(2, 30), unit="steps", group="networks")
    m: int = fixed(16, "Encoder's units", "m", range=(4, 64), group="networks")
    p: int = fixed(16, "Decoder's units", "p", range=(4, 64), group="networks")
    dataset: Literal["generated", "ett", "pasted", "file"] = fixed(
        "generated", "Series", group="data", data=("ett",),
        options={"generated": "forty sensors (generated)", "ett": "transformers (ETT)", "pasted": "your own",
        "file": "a file of yours"})
    driving: Literal["turns", "one"] = fixed("turns", "Drivers", group="data",
        options={"turns": "groups take turns", "one": "always the same group"},
        when={"dataset": ["generated"]})
    lag: int = fixed(9, "Lag", range=(0, 20), unit="steps", group="data", when={"dataset": ["generated"]})
    part: Literal["ETTh1", "ETTh2", "ETTm1", "ETTm2"] = fixed("ETTh1", "Transformer", group="data",
        when={"dataset": ["ett"]}, options=["ETTh1", "ETTh2", "ETTm1", "ETTm2"])
    pasted: str = fixed(THREE_WEEKS, "Your table", group="data", when={"dataset": ["pasted"]},
        max_length=20_000, lines=6)
    file: str = fixed("", "Your file", group="data", when={"dataset": ["file"]}, own="table", max_length=32)
    target: str = fixed("", "Target", group="data", when={"dataset": ["ett", "pasted", "file"]},
        column_of="file", max_length=80)
    # fmt: on

    @model_validator(mode="after")
    def _has_enough(self) -> DARNNKnobs:
        if self.dataset == "pasted":
            rows = len(tabled_series(read_table(self.pasted.encode(), "pasted"), self.target).target)
            if rows < (least := 2 * self.window):
                raise KnobError("pasted", TOO_FEW, rows=rows, window=self.window, least=least)
        return self


def errors(y: Tensor, said: Tensor) -> Tensor:
    """RMSE, MAE and MAPE (3,) of what was said (N,) of y (N,); a MAPE counts no place where y is 0."""
    off = y - said
    share = (off / y).abs()[y != 0]
    return torch.stack([off.square().mean().sqrt(), off.abs().mean(), 100 * share.mean()])


def spread_of(values: Tensor) -> Tensor:
    """Standard deviations (…) of (N, …); 1 where nothing changes."""
    spread = values.std(0)
    return spread.where(spread > 1e-6 * values.abs().amax(0), 1.0)


class DualStage(Race[DARNNKnobs]):
    """DA-RNN, what is left of it without an attention, and a plain LSTM, on the same windows."""

    order = 25
    pace = 30.0
    after = ("seq2seq",)
    minutes = 13
    level = 3
    invite = "Let it learn for fifteen seconds, then compare what each of the five says."
    titles = LEARNERS
    measures = {
        **losses_by_learner(LEARNERS),
        **{f"rmse/{name}": Measure("held-out", of=title) for name, title in LEARNERS.items()},
    }
    steers = {"lr": "optimizers"}
    presets = {
        "near": Preset("A short lag", {"lag": 1, "back": 1}),
        "beyond": Preset("Beyond the window", {"lag": 12}),
        "same": Preset("Always the same group", {"driving": "one"}),
        "own": Preset("Your own table", {"dataset": "pasted", "pasted": a_week()}),
    }

    def build(self, knobs: DARNNKnobs) -> None:
        """The series, scaled by what comes before the test, its windows, and four networks."""
        T = knobs.window
        self.series = self._series(knobs)
        x, y = self.series.sensors, carried(self.series.target[:, None])[:, 0]
        seen = len(y) - min(TESTED, len(y) // 5)  # rows that are trained on
        self.mean, self.spread = float(y[:seen].mean()), float(spread_of(y[:seen]))
        self.x = ((x - x[:seen].mean(0)) / spread_of(x[:seen])).to(self.device)
        self.y = ((y - self.mean) / self.spread).to(self.device)
        ends = torch.arange(T - 1, len(y))[~self.series.target[T - 1 :].isnan()]  # rows that can be predicted
        self.trained = ends[ends < seen].to(self.device)
        self.tested = ends[ends >= seen].to(self.device)
        self.training_samples = len(self.trained)
        if not len(self.trained) or not len(self.tested):
            raise KnobError("target", UNKNOWN, tested=len(y) - seen)
        K = x.shape[1]
        self.networks: dict[Name, nn.Module] = {
            "da_rnn": DARNN(K, T, knobs.m, knobs.p),
            "no_input": DARNN(K, T, knobs.m, knobs.p, inputs=False),
            "no_temporal": DARNN(K, T, knobs.m, knobs.p, temporal=False),
            "lstm": PlainLSTM(K, knobs.m),
        }
        self.optimizers = {
            name: torch.optim.Adam(network.to(self.device).parameters(), knobs.lr, fused=True)
            for name, network in self.networks.items()
        }
        self.racing = list(LEARNERS)

    def _series(self, knobs: DARNNKnobs) -> Series:
        if knobs.dataset == "generated":
            return driven_series(GENERATED, knobs.lag, knobs.driving == "turns", self.generator(-1))
        match knobs.dataset:
            case "pasted":
                table = read_table(knobs.pasted.encode(), "pasted")
            case "file":
                table = own_table(knobs.file, self.data)
            case _:
                table = ett_table(knobs.part, self.data)
        return tabled_series(table, knobs.target)

    def windows(self, ends: Tensor, knobs: DARNNKnobs) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, K), y_1 … y_{T−1} (B, T − 1) and y_T (B,) of the windows that end at these rows."""
        at = ends[:, None] + torch.arange(1 - knobs.window, 1, device=self.device)  # (B, T)
        y = self.y[at]
        return self.x[at], y[:, :-1], y[:, -1]

    def _coming(self, knobs: DARNNKnobs) -> tuple[Tensor, Tensor, Tensor]:
        rows = coming_rows(self, knobs.batch_size, self.training_samples)
        return self.windows(self.trained[rows], knobs)

    def step(self, knobs: DARNNKnobs) -> Scalars:
        """One step of each network that is not out; now and then, measure before."""
        if not self.racing:
            return self.all_out()
        row = {} if self.step_index % EVERY else self._measure(knobs)
        x, y, wanted = self._coming(knobs)
        losses = step_all(
            self.racing, lambda name: F.mse_loss(self.networks[name](x, y).y, wanted), self.optimizers, FAR
        )
        return {**losses, **row}

    def objectives(self, knobs: DARNNKnobs) -> Mapping[str, Objective]:
        """The loss of each network on the coming windows."""
        x, y, wanted = self._coming(knobs)

        def of(name: Name) -> Objective:
            network = self.networks[name]
            layers = {part: list(module.parameters()) for part, module in network.named_children()}
            return Objective.of(
                network, self.optimizers[name], lambda: F.mse_loss(network(x, y).y, wanted), layers
            )

        return {LEARNERS[name]: of(name) for name in self.racing}

    @torch.no_grad()
    def _measure(self, knobs: DARNNKnobs) -> dict[str, Tensor]:
        x, y, wanted = self.windows(self.tested, knobs)
        found: dict[Name, Predicted] = {name: self.networks[name](x, y) for name in self.racing}
        row = {
            f"rmse/{name}": self.spread * (said.y - wanted).square().mean().sqrt()
            for name, said in found.items()
        }
        drivers, lag = self.series.drivers, self.series.lag
        if "da_rnn" in found and drivers is not None and lag is not None and lag < knobs.window:
            paid = found["da_rnn"].α[:, -1 - lag]  # (N, K), at the step that the target follows
            row["attention/drivers"] = (paid * drivers[self.tested.cpu()].to(paid)).sum(1).mean()
        return row

    # What is shown

    def _said(self, name: str, knobs: DARNNKnobs) -> Predicted:
        """What one of the five says of the tested steps, in the target's units."""

        def make() -> Predicted:
            x, y, _ = self.windows(self.tested, knobs)
            none = x.new_empty(0)
            network = {str(learner): net for learner, net in self.networks.items()}.get(name)
            said = network(x, y) if network else Predicted(y[:, -1], none, none)
            return said._replace(y=said.y * self.spread + self.mean)

        return self.cached(f"said by {name}", self.step_index, make)

    @p.lines("Prediction", size="hero")
    def prediction(self, knobs: DARNNKnobs) -> p.Lines:
        """What came, what DA-RNN said a step before, and what another one said."""
        came = self.series.target.to(self.device)[self.tested]
        curves = torch.stack([came, *(self._said(name, knobs).y for name in ("da_rnn", knobs.beside))])
        ours, theirs = (curves[1:] - came).abs().mean(1).tolist()
        picture = p.Lines(
            x=self.tested.float(),
            values=curves,
            series=["measured", "DA-RNN", BESIDE[knobs.beside]],
            x_label="time",
            remarks=[p.Note(text, {"count": count}) for text, count in self.series.remarks.items()],
        )
        text = "Off by on average: DA-RNN {ours}, {other} {theirs}."
        other = BESIDE[knobs.beside]
        return p.says(picture, text, ours=rough(ours), other=other, theirs=rough(theirs))

    def _times(self) -> list[str]:
        """The tested times' labels, without what they begin with alike, such as the year."""
        labels = self.series.labels
        if not labels:
            return [str(row) for row in self.tested.tolist()]
        dates = [labels[row] for row in self.tested.tolist()]
        alike = next((at for at, signs in enumerate(zip(*dates, strict=False)) if len({*signs}) > 1), 0)
        cut = max(dates[0].rfind(sign, 0, alike) for sign in "- ") + 1
        return [date[cut:] for date in dates]

    @p.heatmap("Input attention", size="wide")
    def sensors(self, knobs: DARNNKnobs) -> p.Heatmap:
        """α of one step of each window: with known drivers, negative on the other sensors."""
        back = min(knobs.back, knobs.window - 1)
        α = self._said("da_rnn", knobs).α[:, -1 - back]  # (N, K)
        drivers = self.series.drivers
        sign = 1.0 if drivers is None else drivers[self.tested.cpu()].to(α) * 2 - 1
        picture = p.Heatmap(
            values=(α * sign).T,
            rows=self.series.names,
            columns=self._times(),
            x_label="time",
            scale="sequential" if drivers is None else "diverging",
        )
        mean = α.mean(0)
        name, share = self.series.names[int(mean.argmax())], in_percent(float(mean.max()))
        return p.says(picture, "It looks most at {name}: {percent}% on average.", name=name, percent=share)

    @p.heatmap("Temporal attention", size="wide")
    def steps(self, knobs: DARNNKnobs) -> p.Heatmap:
        """β_T of each window, by how many steps back."""
        β = self._said("da_rnn", knobs).β.flip(1)  # (N, T), the newest first
        picture = p.Heatmap(
            values=β.T,
            rows=[f"{back} ●" if back == self.series.lag else str(back) for back in range(knobs.window)],
            columns=self._times(),
            x_label="time",
            y_label="steps back",
        )
        mean = β.mean(0)
        back, share = int(mean.argmax()), in_percent(float(mean.max()))
        text = "It looks most at {back} steps back: {percent}% on average."
        return p.says(picture, text, back=back, percent=share)

    @p.ranking("Errors")
    def table(self, knobs: DARNNKnobs) -> p.Ranking:
        """RMSE and MAE in the target's units, MAPE in percent, over the steps shown."""
        came = self.series.target.to(self.device)[self.tested]
        values = torch.stack([errors(came, self._said(name, knobs).y) for name in BESIDE])  # (5, 3)
        most = values.nan_to_num().amax(0).clamp(min=1e-6).tolist()
        picture = p.Ranking(
            values=values,
            names=list(BESIDE.values()),
            columns=["RMSE", "MAE", "MAPE"],
            ranges=[(0.0, high) for high in most],
        )
        found = extremes(values[:, 0], picture.names)
        text = "{low} has the least RMSE, {least}, {high} the largest, {most}."
        return p.says(picture, text, **found) if found else picture

    losses = p.scalars(by_learner("loss", LEARNERS), "Loss", log=True, smoothing=0.9)
    rmse = p.scalars(by_learner("rmse", LEARNERS), "RMSE on what comes after")
    share = p.scalars({"attention/drivers": "on the true drivers"}, "Input attention on the drivers")
