"""DA-RNN: its equations against loops, what a window sees, errors against formulas, and what it finds."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Tensor

from descent.experiments.sequence.da_rnn import TITLES, DualStage, errors
from descent.kit.data.series import driven_series
from descent.kit.nn.dual_stage import DARNN
from driving import Driven, built

SEEDS = range(5)


def lstm(cell: torch.nn.LSTMCell, x: list[float], h: list[float], s: list[float]) -> tuple[list[float], ...]:
    """One step of an LSTM, number by number; PyTorch's gates are i, f, g, o."""
    n = len(h)

    def gate(row: int) -> float:
        total = float(cell.bias_ih[row] + cell.bias_hh[row])
        total += sum(float(cell.weight_ih[row, j]) * x[j] for j in range(len(x)))
        return total + sum(float(cell.weight_hh[row, j]) * h[j] for j in range(n))

    def sigma(a: float) -> float:
        return 1 / (1 + math.exp(-a))

    i, f, o = ([sigma(gate(at * n + j)) for j in range(n)] for at in (0, 1, 3))
    g = [math.tanh(gate(2 * n + j)) for j in range(n)]
    s = [f[j] * s[j] + i[j] * g[j] for j in range(n)]
    return [o[j] * math.tanh(s[j]) for j in range(n)], s


def linear(layer: torch.nn.Linear, x: list[float]) -> list[float]:
    bias = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [b + sum(w * value for w, value in zip(row, x, strict=True))
            for row, b in zip(layer.weight.tolist(), bias, strict=True)]  # fmt: skip


def softmax(scores: list[float]) -> list[float]:
    total = sum(map(math.exp, scores))
    return [math.exp(score) / total for score in scores]


def score(v: torch.nn.Linear, w: list[float], u: list[float]) -> float:
    return linear(v, [math.tanh(a + b) for a, b in zip(w, u, strict=True)])[0]


@torch.no_grad()
def written_out(model: DARNN, x: Tensor, y: Tensor) -> tuple[float, list[list[float]], list[float]]:
    """ŷ_T, α_1 … α_T and β_T of one window, equations 8 to 22 of the paper one after the other."""
    encoder, decoder = model.encoder, model.decoder
    T, K = x.shape
    h, s = [0.0] * encoder.m, [0.0] * encoder.m
    states, alphas = [], []
    for t in range(T):
        scores = [score(encoder.v_e, linear(encoder.W_e, h + s), linear(encoder.U_e, x[:, k].tolist()))
                  for k in range(K)]  # fmt: skip
        alpha = softmax(scores)
        h, s = lstm(encoder.cell, [alpha[k] * float(x[t, k]) for k in range(K)], h, s)
        states.append(h)
        alphas.append(alpha)
    hidden, cells = {0: [0.0] * decoder.p, 1: [0.0] * decoder.p}, {0: [0.0] * decoder.p, 1: [0.0] * decoder.p}
    contexts, beta = {}, []
    for t in range(1, T + 1):
        if t > 1:
            (fed,) = linear(decoder.w, [float(y[t - 2]), *contexts[t - 1]])
            hidden[t], cells[t] = lstm(decoder.cell, [fed], hidden[t - 1], cells[t - 1])
        query = linear(decoder.W_d, hidden[t - 1] + cells[t - 1])
        beta = softmax([score(decoder.v_d, query, linear(decoder.U_d, state)) for state in states])
        contexts[t] = [
            sum(b * state[j] for b, state in zip(beta, states, strict=True)) for j in range(encoder.m)
        ]
    (said,) = linear(decoder.v_y, linear(decoder.W_y, hidden[T] + contexts[T]))
    return said, alphas, beta


def test_the_network_is_the_papers_equations_written_out() -> None:
    torch.manual_seed(0)
    model = DARNN(sensors=4, steps=5, m=3, p=2).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    x, y = torch.randn(2, 5, 4, dtype=torch.double), torch.randn(2, 4, dtype=torch.double)
    with torch.no_grad():
        found = model(x, y)
    for n in range(2):
        said, alphas, beta = written_out(model, x[n], y[n])
        assert float(found.y[n]) == pytest.approx(said, abs=1e-5)
        torch.testing.assert_close(found.α[n], torch.tensor(alphas, dtype=torch.double), atol=1e-5, rtol=0)
        torch.testing.assert_close(found.β[n], torch.tensor(beta, dtype=torch.double), atol=1e-5, rtol=0)


def test_without_an_attention_all_inputs_pass_and_the_last_state_is_the_context() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(3, 5, 4), torch.randn(3, 4)
    model = DARNN(4, 5, 3, 2, inputs=False, temporal=False)
    found = model(x, y)
    assert not len(found.α)
    assert not len(found.β)
    h, _ = model.encoder.lstm(x)
    d = s = torch.zeros(3, 2)
    for t in range(4):
        d, s = model.decoder.cell(model.decoder.w(torch.cat([y[:, t : t + 1], h[:, -1]], 1)), (d, s))
    expected = model.decoder.v_y(model.decoder.W_y(torch.cat([d, h[:, -1]], 1)))[:, 0]
    torch.testing.assert_close(found.y, expected)


def test_errors_are_their_formulas() -> None:
    y, said = [2.0, -4.0, 5.0, 0.0], [1.0, -3.0, 8.0, 2.0]
    off = [a - b for a, b in zip(y, said, strict=True)]
    expected = [
        math.sqrt(sum(e * e for e in off) / 4),
        sum(map(abs, off)) / 4,
        100 * (abs(1 / 2) + abs(1 / 4) + abs(3 / 5)) / 3,
    ]
    assert errors(torch.tensor(y), torch.tensor(said)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("lag", "turns"), [(0, True), (9, True), (3, False)])
def test_the_target_follows_its_drivers_at_the_lag(lag: int, turns: bool) -> None:
    series = driven_series(4000, lag, turns, torch.Generator().manual_seed(1))
    assert series.drivers is not None
    assert (series.drivers.sum(1) == 5).all()
    assert series.drivers.any(0).sum() == (40 if turns else 5)
    at = torch.arange(lag, 4000)
    followed = (series.sensors[at - lag] * series.drivers[at]).sum(1) / 5
    assert torch.corrcoef(torch.stack([followed, series.target[lag:]]))[0, 1] > 0.95
    other = (series.sensors[at - lag - 1] * series.drivers[at - 1]).sum(1) / 5
    assert torch.corrcoef(torch.stack([other[1:], series.target[lag + 1 :]]))[0, 1] < 0.8


def test_no_window_sees_its_target_and_the_scale_is_that_of_the_training_part() -> None:
    experiment, knobs = built(DualStage)
    end = len(experiment.y)
    tested = experiment.tested
    x, y, wanted = experiment.windows(tested[-1:], knobs)
    assert float(wanted) == float(experiment.y[-1])
    experiment.y[-1] = 1e3
    x2, y2, _ = experiment.windows(tested[-1:], knobs)
    assert torch.equal(x, x2)
    assert torch.equal(y, y2)
    seen = end - len(tested)
    last = experiment.training_samples - 1 + knobs.window  # rows that the windows for training reach over
    assert last == seen
    target, sensors = experiment.series.target, experiment.series.sensors
    assert experiment.mean == pytest.approx(float(target[:seen].mean()))
    assert experiment.spread == pytest.approx(float(target[:seen].std()))
    torch.testing.assert_close(experiment.x[:seen].mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    torch.testing.assert_close(experiment.x[:seen].std(0), torch.ones(40), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        experiment.x[-1], (sensors[-1] - sensors[:seen].mean(0)) / sensors[:seen].std(0)
    )


def test_persistence_says_the_value_before() -> None:
    run = Driven(DualStage)
    lines = torch.as_tensor(run.look("prediction").values)[0]
    torch.testing.assert_close(lines[2][1:], lines[0][:-1], atol=1e-4, rtol=0)
    table = torch.as_tensor(run.look("table").values)
    torch.testing.assert_close(table[-1], errors(lines[0], lines[2]))
    torch.testing.assert_close(table[0], errors(lines[0], lines[1]))


def test_the_maps_are_shares_and_coloured_by_the_true_drivers() -> None:
    run = Driven(DualStage)
    sensors = torch.as_tensor(run.look("sensors").values)  # (K, N)
    torch.testing.assert_close(sensors.abs().sum(0), torch.ones(200))
    assert ((sensors > 0).sum(0) == 5).all()
    assert torch.equal((sensors > 0).T, run.experiment.series.drivers[-200:])
    torch.testing.assert_close(torch.as_tensor(run.look("steps").values).sum(0), torch.ones(200))
    assert run.look("steps").rows[9] == "9 ●"
    run.train(1)
    assert run.last("attention/drivers") == pytest.approx(float(sensors.clamp(min=0).sum(0).mean()), rel=1e-4)


def test_a_network_that_goes_too_far_is_out_and_the_others_go_on() -> None:
    run = Driven(DualStage)
    with torch.no_grad():
        run.experiment.networks["lstm"].readout.bias.fill_(1e4)
    run.train(2)
    assert run.experiment.out() == ["plain LSTM"]
    assert "loss/lstm" not in run.rows[0]
    assert run.rows[1]["loss/da_rnn"] < 10
    run.look("prediction")


@cache
def trained(seed: int) -> Driven:
    return Driven(DualStage, seed).train(201)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_attention_finds_the_drivers_and_the_lag(seed: int) -> None:
    run = trained(seed)
    assert run.last("attention/drivers") >= 0.6
    β = torch.as_tensor(run.look("steps").values).mean(1)
    assert int(β.argmax()) == run.knobs.lag


@pytest.mark.slow
def test_two_stages_beat_either_one_and_persistence_at_four_of_five_seeds() -> None:
    wins = dict.fromkeys([*TITLES, "persistence"], 0)
    for seed in SEEDS:
        values = torch.as_tensor(trained(seed).look("table").values)[:, 0]  # RMSE
        for name, value in zip(wins, values.tolist(), strict=True):
            wins[name] += value > float(values[0])
    del wins["da_rnn"]
    assert min(wins.values()) >= 4, wins
