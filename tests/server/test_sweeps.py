"""Sweeps: every curve is what a branch would train, batched ones to rounding; and what is refused."""

import asyncio
import contextlib
import os
import signal

import httpx
import numpy as np
import pytest
import torch
from test_processes import gone, workers_of
from torch import nn

from descent import errors, wire
from descent.contract import Finished, Objective
from descent.engine.build import build
from descent.engine.checkpoint import Checkpointer
from descent.engine.inbox import Inbox
from descent.engine.knobs import KnobState
from descent.engine.messages import Replay, RunSpec, SweepRefused, SweepSpec, Variant
from descent.engine.replay import go_back
from descent.engine.sweep import variants
from descent.engine.sweep.sweep import Sweep, sweep
from descent.engine.sweep.variants import OBJECTIVE, Stage
from descent.kit.data import batches
from descent.registry import experiments
from descent.runs.sweeps import MOST_VARIANTS, SweepRequest, variants_of
from tiny import Parabola, Tiny, entry_of

pytestmark = pytest.mark.slow

AT = 40  # steps before the sweep
ROOM = 1 << 30


class Steered(Parabola):
    """A parabola whose rate is set when the knob is."""

    def changed(self, knobs, names):
        self.optimizer.param_groups[0]["lr"] = knobs.lr
        self.optimizer.param_groups[0]["momentum"] = knobs.momentum

    def step(self, knobs):
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach()}


def bench_of(entry, at=AT, **knobs):
    values = entry.knobs_type(**knobs).model_dump(mode="json")
    experiment = build(entry, RunSpec("run", entry.id, values, 0, "cpu"), values)
    checkpointer, knob_state = Checkpointer(experiment), KnobState(experiment, values)
    bench = Stage(experiment, checkpointer, knob_state)
    for _ in range(at):
        bench.take()
    return Stage(experiment, checkpointer, knob_state)


def however_long(*args, **rest):
    """Batched where it is exact. Whether that is faster depends on what else the machine does."""
    return variants.stacked(*args, **{**rest, "seconds": np.inf})


def swept(bench, variants, steps=20, knob="lr", most_bytes=ROOM, batch=True):
    """A finished sweep."""
    spec = SweepSpec(
        knob, [Variant(*v) if isinstance(v, tuple) else Variant(v) for v in variants], steps, most_bytes
    )
    with pytest.MonkeyPatch.context() as patch:
        if not batch:
            patch.setattr(Sweep, "_stack", lambda self, rates, seconds: [])
        patch.setattr("descent.engine.sweep.sweep.stacked", however_long)
        made = Sweep(bench, spec)
    made.run(lambda: None, lambda: False)
    return made


def branched(entry, override, steps, names, at=AT, **knobs):
    """Losses of a real branch: an experiment of its own that goes back to the step and on from there."""
    values = entry.knobs_type(**knobs).model_dump(mode="json")
    spec = RunSpec("run", entry.id, values, 0, "cpu")
    experiment, _, knob_state = go_back(lambda v: build(entry, spec, v), values, Replay(at, {}))
    knob_state.set(override)
    rows = []
    for _ in range(steps):
        rows.append(knob_state.after_step(experiment.step(knob_state.for_next_step())))
        experiment.step_index += 1
    return np.array([[float(row.get(name, np.nan)) for row in rows] for name in names], np.float32)


# Step by step


@pytest.mark.parametrize(
    ("id", "variants"),
    [
        ("neural-playground", [{"lr": 0.001}, {"lr": 0.3}, {"lr": 0.01, "optimizer": "adam"}]),
        ("neural-playground", [{"dropout": 0.0}, {"dropout": 0.5}, {"dropout": 0.2, "batch_size": 3}]),
        ("descent-2d", [{"lr": 0.1}, {"lr": 3.0}]),
    ],
)
def test_a_curve_is_what_a_branch_trains_bit_for_bit(id, variants):
    entry = experiments()[id]
    made = swept(bench_of(entry), variants, knob=next(iter(variants[0])), batch=False)
    for place, override in enumerate(variants):
        expected = branched(entry, override, 20, made.series)
        np.testing.assert_array_equal(made.curves.losses[:, place], expected)


def test_noise_and_running_averages_are_each_variants_own():
    entry = entry_of(Tiny)
    made = swept(bench_of(entry), [{"lr": 0.0}, {"lr": 0.1}, {"lr": 0.3}])
    assert made.batched == 0  # its dropout draws
    for place, lr in enumerate((0.0, 0.1, 0.3)):
        expected = branched(entry, {"lr": lr}, 20, ["loss/train"])
        np.testing.assert_array_equal(made.curves.losses[:, place], expected)


def test_variants_of_a_run_that_follows_a_schedule_are_what_branches_are():
    entry = experiments()["neural-playground"]
    bench = bench_of(entry)
    bench.knob_state.set({"schedules": {"lr": {"kind": "cosine", "steps": 30, "low": 1e-4}}})
    bench = Stage(bench.experiment, bench._checkpointer, bench.knob_state)
    made = swept(bench, [{"regularisation_rate": 0.1}, {"lr": 0.2}], knob="regularisation_rate")
    assert made.batched == 0
    told = {"schedules": {"lr": {"kind": "cosine", "steps": 30, "low": 1e-4}}, "regularisation_rate": 0.1}
    np.testing.assert_array_equal(made.curves.losses[:, 0], branched(entry, told, 20, ["loss/train"]))
    np.testing.assert_array_equal(made.curves.losses[:, 1], branched(entry, {"lr": 0.2}, 20, ["loss/train"]))


def test_a_variant_that_diverges_stops_and_the_others_go_on():
    made = swept(bench_of(entry_of(Parabola), at=0), [{"lr": 0.1}, {"lr": 10.0}], steps=300)
    assert made.curves.diverged.tolist() == [False, True]
    assert made.curves.taken[0] == 300
    assert made.curves.taken[1] == 97  # 2 (1 − 10·4)²ⁿ is the first that float64 cannot hold
    assert np.isnan(made.curves.losses[0, 1, made.curves.taken[1] :]).all()


class Ending(Tiny):
    """Knows an end; some knobs go on."""

    def step(self, knobs):
        if self.step_index >= AT + 5 and knobs.word == "a":
            raise Finished("Nothing more to learn.")
        return super().step(knobs)


def test_a_variant_that_its_experiment_ends_leaves_the_others_going():
    made = swept(bench_of(entry_of(Ending)), [{"word": "a"}, {"word": "b"}], steps=12, knob="word")
    losses = made.curves.losses[0]
    assert np.isfinite(losses[0]).sum() == 5
    assert np.isfinite(losses[1]).all()
    assert not made.curves.diverged.any()


def test_another_order_has_other_mini_batches_and_the_first_is_the_runs_own():
    entry = experiments()["neural-playground"]
    made = swept(bench_of(entry), [({"lr": 0.03}, 0), ({"lr": 0.03}, 1), ({"lr": 0.03}, 2)])
    own, *others = made.curves.losses[0]
    np.testing.assert_array_equal(own, branched(entry, {"lr": 0.03}, 20, ["loss/train"])[0])
    assert all((own != other).any() for other in others)
    assert (others[0] != others[1]).any()


# Batched


@pytest.mark.parametrize("regularisation", ["none", "l1", "l2"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adamw"])
def test_the_batched_steps_are_the_real_ones(optimizer, regularisation):
    entry = experiments()["neural-playground"]
    knobs = {"optimizer": optimizer, "regularisation": regularisation, "lr": 0.01}
    rates = [{"lr": lr} for lr in np.geomspace(1e-4, 0.02, 5).tolist()]
    bench = bench_of(entry, **knobs)
    batched = swept(bench, rates)
    assert batched.batched == 5
    stack = batched.lanes[0]._stack
    for place, override in enumerate(rates):
        values = entry.knobs_type(**knobs).model_dump(mode="json")
        spec = RunSpec("run", entry.id, values, 0, "cpu")
        real, _, knob_state = go_back(lambda v: build(entry, spec, v), values, Replay(AT, {}))  # noqa: B023
        knob_state.set(override)
        for _ in range(20):
            real.step(knob_state.for_next_step())
            real.step_index += 1
        order = [p for group in real.optimizer.param_groups for p in group["params"]]
        for mine, p in zip(stack.parameters(place), order, strict=True):
            torch.testing.assert_close(mine, p.detach(), rtol=1e-3, atol=2e-5)
    if batched.series != [OBJECTIVE]:
        alone = swept(bench_of(entry, **knobs), rates, batch=False)
        np.testing.assert_allclose(batched.curves.losses, alone.curves.losses, rtol=1e-3)
    else:
        assert regularisation != "none"  # what is descended has a price that the scalar leaves out


def test_a_batched_parabola_descends_as_its_closed_form_says():
    rates = np.linspace(0.01, 0.45, 12)
    made = swept(bench_of(entry_of(Steered), at=0), [{"lr": lr} for lr in rates.tolist()], steps=30)
    assert made.batched == 12
    n, c, start = np.arange(30), np.array([4.0, 1.0]), np.array([1.0, 2.0])
    paths = start * (1 - rates[:, None, None] * c) ** n[:, None]  # (K, n, 2)
    np.testing.assert_allclose(made.curves.losses[0], (c * paths**2).sum(-1) / 2, rtol=1e-5)


def test_batched_variants_that_diverge_are_marked_at_their_step():
    rates = [0.1, 0.2, 0.3, 5.0, 10.0]
    batched = swept(bench_of(entry_of(Steered), at=0), [{"lr": lr} for lr in rates], steps=300)
    alone = swept(bench_of(entry_of(Steered), at=0), [{"lr": lr} for lr in rates], steps=300, batch=False)
    assert batched.batched == 5
    assert batched.curves.diverged.tolist() == alone.curves.diverged.tolist() == [False] * 3 + [True] * 2
    assert batched.curves.taken.tolist() == alone.curves.taken.tolist()


class Remembering(Steered):
    """Its loss follows a state that its steps write."""

    def build(self, knobs):
        super().build(knobs)
        self.centre = torch.zeros(2, dtype=torch.float64)

    def loss(self):
        return super().loss() + ((self.x - self.centre) ** 2).sum()

    def step(self, knobs):
        row = super().step(knobs)
        self.centre = self.x.detach() * 0.5
        return row


class Scheduled(Steered):
    """Its rate follows the step."""

    def step(self, knobs):
        self.optimizer.param_groups[0]["lr"] = knobs.lr / (1 + self.step_index)
        return super().step(knobs)


class Clipped(Steered):
    """Its step is not what its optimizer makes of the gradient."""

    def step(self, knobs):
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([self.x], 0.5)
        self.optimizer.step()
        return {"loss/train": loss.detach()}


class Drawing(Steered):
    """Its loss draws."""

    def loss(self):
        return super().loss() * (1 + 0.1 * torch.rand(()))


class Two(Steered):
    """Two objectives."""

    def objectives(self, knobs):
        return {
            "a": Objective(self.loss, [self.x], self.optimizer),
            "b": Objective(self.loss, [self.x], self.optimizer),
        }


@pytest.mark.parametrize("cls", [Parabola, Remembering, Scheduled, Clipped, Drawing, Two])
def test_what_a_batched_step_would_get_wrong_goes_step_by_step(cls):
    entry = entry_of(cls)
    made = swept(bench_of(entry, at=3), [{"lr": lr / 100} for lr in range(1, 9)], steps=5)
    assert made.batched == 0
    expected = branched(entry, {"lr": 0.03}, 5, ["loss/train"], at=3)
    np.testing.assert_array_equal(made.curves.losses[:, 2], expected)


class Shuffled(Steered):
    """From its eighth step on its loss draws, from what `draws` says."""

    own = True

    def loss(self):
        if self.step_index < 8:
            return super().loss()
        generator = self.generator(self.step_index) if self.own else None
        return super().loss() * (1 + 0.1 * torch.rand((), generator=generator))


class Straying(Shuffled):
    own = False


@pytest.mark.parametrize(("cls", "batched"), [(Shuffled, 8), (Straying, 0)])
def test_what_is_drawn_at_random_later_on_ends_no_sweep(cls, batched):
    entry = entry_of(cls)
    made = swept(bench_of(entry, at=3), [{"lr": lr / 100} for lr in range(1, 9)], steps=12)
    assert made.batched == batched
    for place in (0, 2, 7):
        expected = branched(entry, {"lr": (place + 1) / 100}, 12, ["loss/train"], at=3)
        np.testing.assert_allclose(made.curves.losses[:, place], expected, rtol=1e-5)
    assert made.curves.taken.tolist() == [12] * 8


class Strict(Steered):
    """Takes no step on numbers that are none."""

    def step(self, knobs):
        if not torch.isfinite(self.x).all():
            raise RuntimeError("no number")
        return {"loss/train": super().step(knobs)["loss/train"].nan_to_num(posinf=1e30)}


def test_a_step_that_fails_on_numbers_that_are_none_has_diverged():
    made = swept(bench_of(entry_of(Strict), at=0), [{"lr": 0.1}, {"lr": 10.0}], steps=300, batch=False)
    assert made.curves.diverged.tolist() == [False, True]
    assert made.curves.taken[0] == 300


LONGEST = 80  # steps to an epoch's end that a test can wait for


@pytest.mark.parametrize("entry", experiments().values(), ids=list(experiments()))
def test_every_sweep_across_an_epochs_end_has_a_result(entry, monkeypatch):
    monkeypatch.setattr("descent.engine.sweep.sweep.stacked", however_long)
    bench = bench_of(entry, at=0)
    rates = sorted(entry.knobs_type.rates())
    if not rates:
        pytest.skip("it has no learning rate")
    epoch = bench.experiment.steps_per_epoch(bench.base) or 5
    if epoch > LONGEST:
        larger = {"batch_size": 256, "batch": 64, "length": 256}
        fields = entry.knobs_type.model_fields
        bench = bench_of(entry, at=0, **{name: size for name, size in larger.items() if name in fields})
        epoch = bench.experiment.steps_per_epoch(bench.base)
    for _ in range(int(epoch) - 3):
        bench.take()
    batches._epoch.cache_clear()
    bench = Stage(bench.experiment, bench._checkpointer, bench.knob_state)
    now = getattr(bench.base, rates[0])
    made = swept(bench, [{rates[0]: now * factor} for factor in (0.5, 1.0, 1.5)], steps=8, knob=rates[0])
    assert made.curves.taken.tolist() == [8, 8, 8]
    assert np.isfinite(made.curves.losses).any(axis=(0, 2)).all()


def test_a_knob_that_is_no_rate_goes_step_by_step():
    made = swept(bench_of(entry_of(Steered)), [{"momentum": m / 10} for m in range(9)], knob="momentum")
    assert made.batched == 0


def test_optimizers_are_batched_apart():
    entry = experiments()["neural-playground"]
    variants = [
        {"lr": lr, "optimizer": o} for o in ("sgd", "adam") for lr in (0.001, 0.003, 0.01, 0.02, 0.03, 0.04)
    ]
    made = swept(bench_of(entry), variants)
    assert [len(lane.places) for lane in made.lanes] == [6, 6]
    alone = swept(bench_of(entry), variants, batch=False)
    np.testing.assert_allclose(made.curves.losses, alone.curves.losses[:1], rtol=1e-3)


# Memory


def test_variants_that_do_not_fit_in_memory_are_refused_with_how_many_would():
    bench = bench_of(experiments()["neural-playground"])
    size = len(bench.leave()[1])
    with pytest.raises(errors.SweepTooLarge, match="at most 3") as refused:
        swept(bench, [{"lr": lr / 100} for lr in range(1, 9)], most_bytes=3 * size + 100)
    assert refused.value.params["most"] == 3


def test_a_batch_that_does_not_fit_is_split():
    bench = bench_of(experiments()["neural-playground"])
    variants = [{"lr": lr / 1000} for lr in range(1, 33)]
    size = len(bench.leave()[1])
    made = swept(bench, variants, most_bytes=40 * size)
    assert made.batched == 32
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("descent.engine.sweep.sweep.activations_of", lambda objective: size)
        split = swept(bench_of(experiments()["neural-playground"]), variants, most_bytes=40 * size)
    assert (len(split.lanes), split.batched) == (2, 32)
    np.testing.assert_allclose(split.curves.losses, made.curves.losses, rtol=1e-3)


# What is told


def said_of(entry, variants, **spec):
    told = []
    values = entry.knobs_type().model_dump(mode="json")
    order = SweepSpec(
        "lr", [Variant(v) for v in variants], spec.pop("steps", 30), spec.pop("most_bytes", ROOM)
    )
    run = RunSpec("run", entry.id, values, 0, "cpu", replay=Replay(5, {}), sweep=order)
    sweep(entry, run, order, Inbox(), told.append)
    return told


def test_frames_tell_how_far_it_is_and_the_last_one_that_it_is_over():
    told = said_of(entry_of(Parabola), [{"lr": 0.1}, {"lr": 10.0}], steps=300)
    finals = [wire.metadata_of(output.payload)["final"] for output in told]
    assert finals == ["0"] * (len(told) - 1) + ["1"]
    first, last = wire.decode(told[0].payload), wire.decode(told[-1].payload)
    assert (first.type, first.step, first.arrays["losses"].shape) == ("sweep", 5, (1, 2, 0))
    assert last.arrays["taken"][0] == 300
    assert last.arrays["diverged"].tolist() == [0, 1]
    assert last.arrays["losses"].shape == (1, 2, 300)
    assert last.meta["variants"][1] == {"knobs": {"lr": 10.0}, "order": 0}
    assert (last.meta["knob"], last.meta["steps"], last.meta["series"]) == ("lr", 300, ["loss/train"])


def test_what_an_experiment_refuses_is_said_before_anything_is_trained():
    told = said_of(entry_of(Tiny), [{"lr": 0.1}, {"word": "no"}])
    (refused,) = told
    assert isinstance(refused, SweepRefused)
    assert (refused.problem["code"], refused.problem["field"]) == ("bad-knob", "word")


def test_a_defect_is_said_with_its_cause():
    class Broken(Parabola):
        def step(self, knobs):
            if self.step_index >= 5:
                raise RuntimeError("out of order")
            return super().step(knobs)

    told = said_of(entry_of(Broken), [{"lr": 0.1}])
    assert told[-1].problem["code"] == "sweep-failed"
    assert told[-1].problem["params"]["cause"] == "RuntimeError: out of order"


def test_a_defect_after_the_first_steps_is_said_in_the_last_frame():
    class Tired(Parabola):
        def step(self, knobs):
            if self.step_index >= 60:
                raise RuntimeError("out of order")
            return super().step(knobs)

    told = said_of(entry_of(Tired), [{"lr": 0.1}, {"lr": 0.2}], steps=90)
    last = wire.decode(told[-1].payload)
    assert wire.metadata_of(told[-1].payload)["final"] == "1"
    assert last.meta["problem"]["code"] == "sweep-failed"
    assert last.meta["problem"]["params"]["cause"] == "RuntimeError: out of order"
    assert last.arrays["taken"].max() > 0


# What is ordered

TINY = entry_of(Tiny)
KNOBS = {"lr": 0.1, "word": "a", "size": 3}


def test_values_are_evenly_spaced_on_the_knobs_scale():
    playground = experiments()["neural-playground"]
    knobs = playground.knobs_type().model_dump(mode="json")
    rates = [v.knobs["lr"] for v in variants_of(playground, knobs, SweepRequest(low=1e-3, high=1.0, count=4))]
    assert rates == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])
    sizes = variants_of(playground, knobs, SweepRequest(knob="batch_size", low=1, high=4, count=16))
    assert [v.knobs["batch_size"] for v in sizes] == [1, 2, 3, 4]  # whole numbers, each once
    around = [v.knobs["lr"] for v in variants_of(playground, knobs, SweepRequest())]
    assert (around[0], around[-1], len(around)) == (pytest.approx(3e-4), pytest.approx(3.0), 16)
    flat = variants_of(playground, knobs, SweepRequest(knob="momentum", low=0, high=0.9, count=4))
    assert [v.knobs["momentum"] for v in flat] == pytest.approx([0, 0.3, 0.6, 0.9])


def test_every_combination_is_a_variant():
    found = variants_of(TINY, KNOBS, SweepRequest(values=[0.1, 0.2], vary={"word": ["a", "b"]}, orders=2))
    assert len(found) == 8
    assert found[1] == Variant({"lr": 0.1, "word": "a"}, 1)


@pytest.mark.parametrize(
    ("order", "code", "field", "reason"),
    [
        (SweepRequest(values=[]), "bad-field", "values", "sweep-empty"),
        (SweepRequest(vary={"word": []}), "bad-field", "vary", "sweep-empty"),
        (SweepRequest(low=1, high=0.1), "bad-field", "low", "sweep-inverted"),
        (SweepRequest(low=-1, high=1), "bad-field", "low", "sweep-range"),
        (SweepRequest(low=1, high=1e10), "bad-field", "high", "sweep-range"),
        (SweepRequest(values=[0.1, -3]), "bad-knob", "lr", "greater_than_equal"),
        (SweepRequest(values=["x"]), "bad-knob", "lr", "float_type"),
        (SweepRequest(values=[0.1] * (MOST_VARIANTS + 1)), "bad-field", "count", "sweep-many"),
        (SweepRequest(count=40, orders=2), "bad-field", "count", "sweep-many"),
        (SweepRequest(count=64, steps=2000), "bad-field", "steps", "sweep-long"),
        (SweepRequest(knob="nope"), "bad-knob", "nope", "unknown"),
        (SweepRequest(knob="word"), "bad-knob", "word", "no-number"),
        (SweepRequest(knob="size"), "fixed-knob", "size", None),
        (SweepRequest(vary={"size": [1, 2]}), "fixed-knob", "size", None),
    ],
)
def test_a_bad_order_is_refused_at_its_field(order, code, field, reason):
    with pytest.raises(errors.DescentError) as refused:
        variants_of(TINY, KNOBS, order)
    found = refused.value
    assert (found.code, found.field, found.params.get("reason")) == (code, field, reason)


def test_a_range_from_zero_has_no_logarithm():
    entry = experiments()["neural-playground"]
    knobs = entry.knobs_type().model_dump(mode="json")
    with pytest.raises(errors.BadField, match="above 0"):
        variants_of(entry, knobs, SweepRequest(low=0, high=1))


# Over REST


@pytest.fixture
async def api(tiny_app):
    app = tiny_app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def rested(api, steps=20):
    run = (await api.post("/api/runs", json={"experiment": "tiny", "max_steps": steps})).json()
    await status_is(api, run["id"], "finished")
    return run["id"]


async def status_is(api, run, status):
    async with asyncio.timeout(60):
        while (await api.get(f"/api/runs/{run}")).json()["status"] != status:
            await asyncio.sleep(0.01)


def frames_of(body):
    frames = []
    while body:
        length = int.from_bytes(body[:4], "little")
        frames.append(wire.decode(body[4 : 4 + length]))
        body = body[4 + length :]
    return frames


@pytest.mark.anyio
async def test_a_sweep_is_streamed_and_leaves_no_run(api):
    run = await rested(api)
    answer = await api.post(f"/api/runs/{run}/sweep", json={"values": [0.1, 0.2], "steps": 7, "step": 12})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    last = frames_of(answer.content)[-1]
    assert (last.run, last.step, last.arrays["taken"].tolist()) == (run, 12, [7, 7])
    scalars = (await api.get(f"/api/runs/{run}/scalars")).json()
    assert last.arrays["losses"][0, 0].tolist() == pytest.approx(scalars["loss/train"][12:19])
    assert [info["id"] for info in (await api.get("/api/runs")).json()] == [run]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"values": []}, 422, "bad-field", "values"),
        ({"low": 2, "high": 1}, 422, "bad-field", "low"),
        ({"steps": 0}, 422, "bad-field", "steps"),
        ({"count": 65}, 422, "bad-field", "count"),
        ({"orders": 0}, 422, "bad-field", "orders"),
        ({"rate": 1}, 422, "bad-field", "rate"),
        ({"values": [0.1], "step": 21}, 422, "bad-field", "step"),
        ({"knob": "size"}, 409, "fixed-knob", "size"),
        ({"values": [0.1], "vary": {"word": ["no"]}}, 422, "bad-knob", "word"),
    ],
)
async def test_a_bad_order_is_a_problem_before_anything_is_streamed(api, body, status, code, field):
    run = await rested(api)
    answer = await api.post(f"/api/runs/{run}/sweep", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)
    good = await api.post(f"/api/runs/{run}/sweep", json={"values": [0.1], "steps": 1})
    assert good.status_code == 200  # what was refused keeps no place


@pytest.mark.anyio
async def test_a_server_that_does_not_record_cannot_sweep(tiny_app):
    app = tiny_app(record=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        run = await rested(client)
        answer = await client.post(f"/api/runs/{run}/sweep", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "not-recorded")


@pytest.mark.anyio
async def test_hanging_up_ends_the_worker_and_makes_room_for_others(own_server):
    long = {"count": 25, "steps": 2000, "knob": "batch_size"}
    async with httpx.AsyncClient(base_url=own_server.url, timeout=30) as client:
        run = (
            await client.post("/api/runs", json={"experiment": "neural-playground", "paused": True})
        ).json()
        await status_is(client, run["id"], "paused")
        address, before = f"/api/runs/{run['id']}/sweep", workers_of(own_server)
        async with contextlib.AsyncExitStack() as open_:
            for _ in range(2):
                answer = await open_.enter_async_context(client.stream("POST", address, json=long))
                assert answer.status_code == 200
            refused = await client.post(address, json=long)
            assert (refused.status_code, refused.json()["code"]) == (429, "too-many-sweeps")
            sweepers = workers_of(own_server) - before
            assert len(sweepers) == 2
        for pid in sweepers:
            await gone(pid)
        answer = await client.post(address, json={"count": 2, "steps": 1})
        assert answer.status_code == 200


@pytest.mark.anyio
async def test_the_end_of_its_worker_is_told_in_the_last_frame(own_server):
    order = {"count": 25, "steps": 2000, "knob": "batch_size"}
    async with httpx.AsyncClient(base_url=own_server.url, timeout=30) as client:
        run = (
            await client.post("/api/runs", json={"experiment": "neural-playground", "paused": True})
        ).json()
        await status_is(client, run["id"], "paused")
        before = workers_of(own_server)
        async with client.stream("POST", f"/api/runs/{run['id']}/sweep", json=order) as answer:
            parts = answer.aiter_bytes()
            body = await anext(parts)
            (sweeper,) = workers_of(own_server) - before
            os.kill(sweeper, signal.SIGKILL)
            async for part in parts:
                body += part
        last = frames_of(body)[-1]
        assert last.meta["problem"]["code"] == "sweep-failed"
        assert "killed by signal 9" in last.meta["problem"]["params"]["cause"]
