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
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import Knobs, batch_of, fixed, live, rate
from descent.kit.data.batches import coming_rows
from descent.kit.data.series import driven_series
from descent.kit.nn.dual_stage import DARNN, PlainLSTM, Predicted
from descent.kit.nn.race import Race, by_learner, losses_by_learner, step_all

Name = Literal["da_rnn", "no_input", "no_temporal", "lstm"]
TITLES: dict[Name, str] = {
    "da_rnn": "DA-RNN",
    "no_input": "no input attention",
    "no_temporal": "no temporal attention",
    "lstm": "plain LSTM",
}
PERSISTENCE = "persistence"
BESIDE = {**{str(name): title for name, title in TITLES.items()}, PERSISTENCE: PERSISTENCE}
GENERATED = 4000  # of the generated series
TESTED = 200  # steps at the end that are predicted, at most a fifth of all
EVERY = 25  # steps between two measurements
FAR = 1e6  # a loss beyond is out


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
    driving: Literal["turns", "one"] = fixed("turns", "Drivers", group="data",
        options={"turns": "groups take turns", "one": "always the same group"})
    lag: int = fixed(9, "Lag", range=(0, 20), unit="steps", group="data")
    # fmt: on


def errors(y: Tensor, said: Tensor) -> Tensor:
    """RMSE, MAE and MAPE (3,) of what was said (N,) of y (N,); a MAPE counts no place where y is 0."""
    off = y - said
    share = (off / y).abs()[y != 0]
    return torch.stack([off.square().mean().sqrt(), off.abs().mean(), 100 * share.mean()])


class DualStage(Race[DARNNKnobs]):
    """DA-RNN, what is left of it without an attention, and a plain LSTM, on the same windows."""

    order = 25
    pace = 30.0
    invite = "Let it learn for fifteen seconds, then compare what each of the five says."
    titles = TITLES
    measures = {
        **losses_by_learner(TITLES),
        **{f"rmse/{name}": Measure("held-out", of=title) for name, title in TITLES.items()},
    }
    steers = {"lr": "optimizers"}
    presets = {
        "near": Preset("A short lag", {"lag": 1, "back": 1}),
        "beyond": Preset("Beyond the window", {"lag": 12}),
        "same": Preset("Always the same group", {"driving": "one"}),
    }

    def build(self, knobs: DARNNKnobs) -> None:
        """The series, scaled by what comes before the test, its windows, and four networks."""
        T = knobs.window
        self.series = driven_series(GENERATED, knobs.lag, knobs.driving == "turns", self.generator(-1))
        x, y = self.series.sensors, self.series.target
        tested = min(TESTED, len(y) // 5)
        seen = len(y) - tested  # rows that are trained on
        self.mean, self.spread = float(y[:seen].mean()), float(y[:seen].std().clamp(min=1e-6))
        self.x = ((x - x[:seen].mean(0)) / x[:seen].std(0).clamp(min=1e-6)).to(self.device)
        self.y = ((y - self.mean) / self.spread).to(self.device)
        self.training_samples = seen - T + 1  # window n ends at row n + T − 1
        self.tested = torch.arange(seen - T + 1, len(y) - T + 1, device=self.device)
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
        self.racing = list(TITLES)

    def windows(self, rows: Tensor, knobs: DARNNKnobs) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, K), y_1 … y_{T−1} (B, T − 1) and y_T (B,) of windows by number."""
        at = rows[:, None] + torch.arange(knobs.window, device=self.device)  # (B, T)
        y = self.y[at]
        return self.x[at], y[:, :-1], y[:, -1]

    def step(self, knobs: DARNNKnobs) -> Scalars:
        """One step of each network that is not out; now and then, measure before."""
        if not self.racing:
            return self.all_out()
        row = {} if self.step_index % EVERY else self._measure(knobs)
        x, y, wanted = self.windows(coming_rows(self, knobs.batch_size, self.training_samples), knobs)
        losses = step_all(
            self.racing, lambda name: F.mse_loss(self.networks[name](x, y).y, wanted), self.optimizers, FAR
        )
        return {**losses, **row}

    def objectives(self, knobs: DARNNKnobs) -> Mapping[str, Objective]:
        """The loss of each network on the coming windows."""
        x, y, wanted = self.windows(coming_rows(self, knobs.batch_size, self.training_samples), knobs)

        def of(name: Name) -> Objective:
            network = self.networks[name]
            layers = {part: list(module.parameters()) for part, module in network.named_children()}
            return Objective.of(
                network, self.optimizers[name], lambda: F.mse_loss(network(x, y).y, wanted), layers
            )

        return {TITLES[name]: of(name) for name in self.racing}

    @torch.no_grad()
    def _measure(self, knobs: DARNNKnobs) -> dict[str, Tensor]:
        x, y, wanted = self.windows(self.tested, knobs)
        found: dict[Name, Predicted] = {name: self.networks[name](x, y) for name in self.racing}
        row = {
            f"rmse/{name}": self.spread * (said.y - wanted).square().mean().sqrt()
            for name, said in found.items()
        }
        if "da_rnn" in found and (share := self.on_drivers(found["da_rnn"].α, knobs)) is not None:
            row["attention/drivers"] = share
        return row

    def on_drivers(self, α: Tensor, knobs: DARNNKnobs) -> Tensor | None:
        """The share of α (N, T, K), of the tested windows, on true drivers at the step the target follows."""
        drivers, lag = self.series.drivers, self.series.lag
        if drivers is None or lag is None or lag >= knobs.window:
            return None
        return (α[:, -1 - lag] * drivers[-len(α) :].to(α)).sum(1).mean()

    # What is shown

    def _said(self, knobs: DARNNKnobs) -> dict[str, Predicted]:
        """What each says of the tested steps, in the target's units."""

        def make() -> dict[str, Predicted]:
            x, y, _ = self.windows(self.tested, knobs)
            found = {PERSISTENCE: Predicted(y[:, -1], x.new_empty(0), x.new_empty(0))}
            for name, network in self.networks.items():
                found[name] = network(x, y)
            return {name: said._replace(y=said.y * self.spread + self.mean) for name, said in found.items()}

        return self.cached("said", self.step_index, make)

    @p.lines("Prediction", size="hero")
    def prediction(self, knobs: DARNNKnobs) -> p.Lines:
        """What came, what DA-RNN said a step before, and what another one said."""
        said = self._said(knobs)
        came = self.series.target[-len(self.tested) :].to(self.device)
        return p.Lines(
            x=self._times().float(),
            values=torch.stack([came, said["da_rnn"].y, said[knobs.beside].y]),
            series=["measured", "DA-RNN", BESIDE[knobs.beside]],
            x_label="time",
        )

    def _times(self) -> Tensor:
        return torch.arange(len(self.y) - len(self.tested), len(self.y))

    @p.heatmap("Input attention", size="wide")
    def sensors(self, knobs: DARNNKnobs) -> p.Heatmap:
        """α of one step of each window: with known drivers, negative on the other sensors."""
        back = min(knobs.back, knobs.window - 1)
        α = self._said(knobs)["da_rnn"].α[:, -1 - back]  # (N, K)
        drivers = self.series.drivers
        sign = 1.0 if drivers is None else drivers[-len(α) :].to(α) * 2 - 1
        return p.Heatmap(
            values=(α * sign).T,
            rows=self.series.names,
            columns=[str(t) for t in self._times().tolist()],
            x_label="time",
            scale="sequential" if drivers is None else "diverging",
        )

    @p.heatmap("Temporal attention", size="wide")
    def steps(self, knobs: DARNNKnobs) -> p.Heatmap:
        """β_T of each window, by how many steps back."""
        β = self._said(knobs)["da_rnn"].β.flip(1)  # (N, T), the newest first
        return p.Heatmap(
            values=β.T,
            rows=[f"{back} ●" if back == self.series.lag else str(back) for back in range(knobs.window)],
            columns=[str(t) for t in self._times().tolist()],
            x_label="time",
            y_label="steps back",
        )

    @p.ranking("Errors")
    def table(self, knobs: DARNNKnobs) -> p.Ranking:
        """RMSE and MAE in the target's units, MAPE in percent, over the steps shown."""
        said = self._said(knobs)
        came = self.series.target[-len(self.tested) :].to(self.device)
        values = torch.stack([errors(came, said[name].y) for name in BESIDE])  # (5, 3)
        most = values.nan_to_num().amax(0).clamp(min=1e-6).tolist()
        return p.Ranking(
            values=values,
            names=list(BESIDE.values()),
            columns=["RMSE", "MAE", "MAPE"],
            ranges=[(0.0, high) for high in most],
        )

    losses = p.scalars(by_learner("loss", TITLES), "Loss", log=True, smoothing=0.9)
    rmse = p.scalars(by_learner("rmse", TITLES), "RMSE on what comes after")
    share = p.scalars({"attention/drivers": "on the true drivers"}, "Input attention on the drivers")
