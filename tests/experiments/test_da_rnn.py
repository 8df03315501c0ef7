"""DA-RNN: its equations against loops, what a window sees, errors against formulas, and what it finds."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from descent.contract import KnobError
from descent.experiments.sequence.da_rnn import LEARNERS, DARNNKnobs, DualStage, errors
from descent.kit.data.series import CARRIED, CONSTANT, GAPS, SORTED, driven_series
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
    assert int(tested[-1]) == end - 1
    x, y, wanted = experiment.windows(tested[-1:], knobs)
    assert float(wanted) == float(experiment.y[-1])
    experiment.y[-1] = 1e3
    x2, y2, _ = experiment.windows(tested[-1:], knobs)
    assert torch.equal(x, x2)
    assert torch.equal(y, y2)
    seen = end - len(tested)
    assert experiment.trained.tolist() == [*range(knobs.window - 1, seen)]
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


DAYS = [f"2024-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(60)]


def csv(rows: list[str], names: str = "date,a,b,c") -> str:
    return "\n".join([names, *rows])


def test_a_table_is_put_in_order_and_what_is_missing_holds_the_value_before() -> None:
    rows = [f"{day},{n},{n % 7},5" for n, day in enumerate(DAYS)]
    rows[20], rows[30], rows[31] = f"{DAYS[20]},20,,5", f"{DAYS[31]},31,3,5", f"{DAYS[30]},30,2,5"
    rows[40], rows[55] = f"{DAYS[40]},,5,5", f"{DAYS[55]},,6,5"
    run = Driven(DualStage, dataset="pasted", pasted=csv(rows), target="a")
    experiment = run.experiment
    assert experiment.series.names == ["b"]
    x = experiment.x[:, 0]
    assert x[20] == x[19]
    assert experiment.y[40] == experiment.y[39]
    assert [40 in ends for ends in (experiment.trained.tolist(), experiment.tested.tolist())] == [False] * 2
    assert experiment.tested.tolist() == [n for n in range(48, 60) if n != 55]
    (hero,) = torch.as_tensor(run.look("prediction").values)
    assert hero[0].tolist() == [n for n in range(48, 60) if n != 55]
    said = {note.text: note.values["count"] for note in run.look("prediction").remarks}
    assert said == {SORTED: 2, CARRIED: 3, GAPS: 2, CONSTANT: 1}  # no 29th of a month
    assert run.look("sensors").columns[0] == "02-21"
    assert run.look("sensors").scale == "sequential"
    run.train(3)
    assert "attention/drivers" not in run.rows[0]


def test_a_sensor_that_only_moves_in_the_test_stays_in_bounds() -> None:
    rows = [f"{day},{n % 5},{0.1 if n < 50 else n}" for n, day in enumerate(DAYS)]
    experiment, _ = built(DualStage, dataset="pasted", pasted=csv(rows, "date,y,b"), target="y")
    assert experiment.x.abs().max() < 100


@pytest.mark.parametrize(
    ("rows", "target", "sentence"),
    [
        ([f"{day},{n},{n % 7},5" for n, day in enumerate(DAYS)], "d", "target: .*“d”; it has a, b, c"),
        ([f"{day},{n},{n % 7},5" for n, day in enumerate(DAYS)], "c", "“c” and another column must change"),
        ([f"{day},5,{n % 7},5" for n, day in enumerate(DAYS)], "b", "“b” and another column"),
        ([f"{day},{n},{n % 7},1" for n, day in enumerate(DAYS[:19])], "a", "pasted: it has 19 rows"),
        (
            [f"{day},{n},{n % 7},{n or 'hot'}" for n, day in enumerate(DAYS)],
            "a",
            "pasted: row 2, column “c”: “hot”",
        ),
        ([], "a", "pasted: the table is empty"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_at_its_knob(
    rows: list[str], target: str, sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        DARNNKnobs(dataset="pasted", pasted=csv(rows), target=target)


def test_a_target_that_is_missing_in_the_test_is_refused() -> None:
    rows = [f"{day},{n if n < 45 else ''},{n % 7},1" for n, day in enumerate(DAYS)]
    with pytest.raises(KnobError, match=r"target: .* last 12"):
        built(DualStage, dataset="pasted", pasted=csv(rows), target="a")


def test_the_transformers_series_are_read_from_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ett").mkdir()
    rows = [f"2016-07-{1 + n // 24:02} {n % 24:02}:00:00,{n % 5},{n % 3},{n % 9 / 2}" for n in range(240)]
    (tmp_path / "ett" / "ETTh2.csv").write_text(csv(rows, "date,HUFL,LULL,OT"), encoding="utf-8")
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    run = Driven(DualStage, dataset="ett", part="ETTh2").train(2)
    assert run.experiment.series.names == ["HUFL", "LULL"]
    assert run.look("sensors").columns[0] == "09 00:00"
    assert run.look("prediction").remarks == []
    with pytest.raises(KnobError, match="ETTh1"):
        built(DualStage, dataset="ett")
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path / "none"))
    with pytest.raises(KnobError, match="not on this machine"):
        built(DualStage, dataset="ett")


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
    wins = dict.fromkeys([*LEARNERS, "persistence"], 0)
    for seed in SEEDS:
        values = torch.as_tensor(trained(seed).look("table").values)[:, 0]  # RMSE
        for name, value in zip(wins, values.tolist(), strict=True):
            wins[name] += value > float(values[0])
    del wins["da_rnn"]
    assert min(wins.values()) >= 4, wins


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(DualStage).train(2)
    picture = run.look("prediction")
    came, ours, theirs = torch.as_tensor(picture.values).reshape(3, -1)
    for key, said in (("ours", ours), ("theirs", theirs)):
        off = float((said - came).abs().mean())
        assert float(picture.reading.values[key]) == pytest.approx(off, rel=0.06)
    assert picture.reading.values["other"] == picture.series[2]
    picture = run.look("sensors")
    mean = torch.as_tensor(picture.values).abs().mean(1)
    assert picture.rows[int(mean.argmax())] == picture.reading.values["name"]
    picture = run.look("steps")
    assert picture.reading.values["back"] == int(torch.as_tensor(picture.values).mean(1).argmax())


def test_the_least_and_the_largest_error_are_those_of_the_table() -> None:
    run = Driven(DualStage).train(2)
    table, rmse = run.look("table"), run.look("table").values[:, 0]
    said = table.reading.values
    assert (said["low"], said["high"]) == (table.names[int(rmse.argmin())], table.names[int(rmse.argmax())])
    assert float(said["least"]) == pytest.approx(float(rmse.min()), rel=0.06)
