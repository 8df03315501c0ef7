"""Weights taken out of a run: exactly those of the step, in files that other programs read."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
import torch
import typer
from safetensors import safe_open
from safetensors.torch import load
from test_bundle import asked, branched, drop_checkpoints, trained, until
from test_record import KNOBS, save
from torch import nn
from typer.testing import CliRunner

from descent.cli import archive as cli
from descent.contract import Experiment, Knobs, Transient
from descent.engine.build import seed
from descent.engine.messages import NotTaken, Replay, RunSpec
from descent.engine.taking import take
from descent.engine.weights import weights_of
from descent.runs import taking
from descent.store.store import Store
from tiny import REGISTRY, Tiny, TinyKnobs, entry_of


@pytest.fixture
async def api(tiny_app, tmp_path):
    app = tiny_app(home=tmp_path / "home")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        client.app = app
        yield client


def tiny_after(steps: int, changes: dict[int, float], seeded: int) -> dict[str, torch.Tensor]:
    """What `Tiny` has learnt after so many steps, taken without the engine."""
    knobs = TinyKnobs()
    seed(seeded)
    tiny = Tiny(seeded, torch.device("cpu"))
    tiny.build(knobs)
    for step in range(steps):
        knobs = knobs.model_copy(update={"lr": changes.get(step, knobs.lr)})
        tiny.step(knobs)
    return {f"model.{name}": value for name, value in tiny.model.state_dict().items()}


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


# Which weights there are


class Held:
    """A learner: no module, but it has one."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.steps = 3


class Clock(Transient):
    """Something that no checkpoint has."""

    def __init__(self) -> None:
        self.weight = torch.zeros(1, requires_grad=True)


class Many(Experiment[Knobs]):
    """Modules and parameters in every place where an experiment has some."""

    def build(self, knobs: Knobs) -> None:
        self.encoder = nn.Linear(2, 2, bias=False)  # a part of `model`
        self.model = nn.Sequential(self.encoder, nn.BatchNorm1d(2))
        self.again = self.model
        self.networks = {"tanh": nn.Linear(1, 1), "relu": nn.Linear(1, 1)}
        self.learners = [Held(nn.Linear(1, 1, bias=False))]
        self.point = torch.ones(3, requires_grad=True)
        self.data = torch.ones(100)
        self.clock = Clock()
        self.optimizer = torch.optim.Adam([self.point])

    def step(self, knobs: Knobs) -> dict[str, float]:
        return {}


def test_weights_are_named_by_the_experiment_s_modules_each_once():
    many = Many(0, torch.device("cpu"))
    many.build(Knobs())
    assert list(weights_of(many)) == [
        "model.0.weight",
        "model.1.weight",
        "model.1.bias",
        "model.1.running_mean",
        "model.1.running_var",
        "model.1.num_batches_tracked",
        "networks.tanh.weight",
        "networks.tanh.bias",
        "networks.relu.weight",
        "networks.relu.bias",
        "learners.0.module.weight",
        "point",
    ]


def test_a_module_takes_its_own_back_and_training_on_does_not_change_them():
    many = Many(0, torch.device("cpu"))
    many.build(Knobs())
    taken = weights_of(many)
    before = many.encoder.weight.detach().clone()
    with torch.no_grad():
        many.encoder.weight.zero_()
    assert torch.equal(taken["model.0.weight"], before)
    own = {name.removeprefix("model."): one for name, one in taken.items() if name.startswith("model.")}
    many.model.load_state_dict(own)
    assert torch.equal(many.encoder.weight, before)


def test_tied_weights_are_saved_under_both_names():
    class Tied(Many):
        def build(self, knobs: Knobs) -> None:
            self.model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
            self.model[1].weight = self.model[0].weight

    tied = Tied(0, torch.device("cpu"))
    tied.build(Knobs())
    taken = weights_of(tied)
    assert set(taken) == {"model.0.weight", "model.1.weight"}
    assert taken["model.0.weight"].data_ptr() != taken["model.1.weight"].data_ptr()  # safetensors wants that


# Over REST


@pytest.mark.parametrize("step", [0, 7, 10, 23, 30])
@pytest.mark.slow
async def test_the_weights_of_any_step_are_those_that_training_had(api, step):
    run = await trained(api)
    await drop_checkpoints(api, run)  # so the whole way is trained again
    answer = await api.get(f"/api/runs/{run['id']}/weights", params={"step": step})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-step"] == str(step)
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="tiny-{run["id"]}-{step}.safetensors"'
    )
    assert same(load(answer.content), tiny_after(step, {10: 0.2, 20: 0.05}, seeded=5))


async def test_of_a_branch_they_come_from_its_checkpoint_and_by_default_from_its_end(api):
    run = await trained(api)
    branch = await branched(api, run, 10)
    await asked(api.delete(f"/api/runs/{run['id']}"))  # so there is no other way than its checkpoint
    kept = await asked(api.get(f"/api/runs/{branch['id']}/frames"))
    assert kept["checkpoints"] == [10]
    for step in (10, 17, None):
        asked_for = {} if step is None else {"step": step}
        answer = await api.get(f"/api/runs/{branch['id']}/weights", params=asked_for)
        assert answer.headers["x-step"] == str(step or 30)
        assert same(load(answer.content), tiny_after(step or 30, {10: 0.2}, seeded=5))
    before = await api.get(f"/api/runs/{branch['id']}/weights", params={"step": 9})
    assert before.json()["params"] == {"reason": "out-of-range", "first": 10, "last": 30}


async def test_a_state_dict_is_read_without_running_anything(api, tmp_path):
    run = await trained(api)
    path = f"/api/runs/{run['id']}/weights"
    answer = await api.get(path, params={"format": "pt", "step": 12})
    assert answer.headers["content-disposition"].endswith('-12.pt"')
    found = torch.load(io.BytesIO(answer.content), weights_only=True)
    (tmp_path / "w").write_bytes(await asked(api.get(path, params={"step": 12})))
    with safe_open(tmp_path / "w", "pt") as file:
        assert file.metadata() == {"experiment": "tiny", "run": run["id"], "step": "12"}
        assert same(found, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1))
    model.load_state_dict({name.removeprefix("model."): one for name, one in found.items()})


async def test_the_weights_of_a_run_that_trains_can_be_had_and_leave_it_alone(api):
    run = await asked(api.post("/api/runs", json={"experiment": "tiny", "paused": True}))
    await asked(api.post(f"/api/runs/{run['id']}/step", json={"steps": 5}))
    await until(api, run, lambda run: run.step == 5)
    answer = await api.get(f"/api/runs/{run['id']}/weights")
    assert answer.headers["x-step"] == "5"
    assert (await asked(api.get(f"/api/runs/{run['id']}")))["status"] == "paused"


@pytest.mark.parametrize("step", [31, 10**9])
async def test_a_step_that_is_not_recorded_is_refused_with_those_that_are(api, step):
    run = await trained(api)
    answer = await api.get(f"/api/runs/{run['id']}/weights", params={"step": step})
    assert answer.status_code == 422
    said = answer.json()
    assert (said["field"], said["params"]) == ("step", {"reason": "out-of-range", "first": 0, "last": 30})


async def test_where_nothing_is_recorded_there_is_nothing_to_take(tiny_app):
    app = tiny_app(record=False)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        run = await asked(client.post("/api/runs", json={"experiment": "tiny", "paused": True}))
        answer = await client.get(f"/api/runs/{run['id']}/weights")
        assert (answer.status_code, answer.json()["code"]) == (409, "not-recorded")


async def test_more_than_some_at_once_are_told_to_come_again(api, monkeypatch):
    run = await trained(api)
    monkeypatch.setattr(taking, "WAITING", -taking.AT_ONCE)
    answer = await api.get(f"/api/runs/{run['id']}/weights")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-taken")


async def test_a_worker_that_takes_too_long_is_given_up(api, monkeypatch):
    run = await trained(api)
    monkeypatch.setattr(taking, "WITHIN", 0.0)
    answer = await api.get(f"/api/runs/{run['id']}/weights")
    assert (answer.status_code, answer.json()["code"]) == (504, "no-answer")


# What is said where there are none


def told(cls: type[Experiment[Any]], until: int = 1) -> dict[str, Any]:
    said: list[Any] = []
    knobs = cls.knobs_type().model_dump(mode="json")
    spec = RunSpec("run", "tiny", knobs, 0, "cpu", replay=Replay(until, {}), take="weights")
    take(entry_of(cls), spec, said.append)
    (answer,) = said
    assert isinstance(answer, NotTaken)
    return dict(answer.problem)


def test_an_experiment_without_a_model_says_so():
    class Average(Experiment[Knobs]):
        def build(self, knobs: Knobs) -> None:
            self.mean = torch.zeros(3)

        def step(self, knobs: Knobs) -> dict[str, float]:
            return {}

    said = told(Average)
    assert (said["code"], said["status"]) == ("no-weights", 409)


def test_a_state_that_cannot_be_restored_is_told_with_its_cause():
    class Broken(Tiny):
        def step(self, knobs):
            raise RuntimeError("out of order")

    said = told(Broken)
    assert said["code"] == "bad-checkpoint"
    assert said["params"] == {"reason": "weights", "cause": "RuntimeError: out of order"}


# In the terminal


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Gives the command on a store with the run A, of 5 steps, and S, of someone's own loop."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("descent.own.here.experiments", lambda: REGISTRY)
    store = Store("", tmp_path / "home")
    save(store, "A", (0, 5), changes=[(2, {"lr": 0.5})], streams=2)
    save(store, "S", (0, 5), declared={})
    store.close()
    app = typer.Typer()
    cli.register(app)

    def invoke(*arguments: Any) -> tuple[int, str]:
        words = ["weights", *map(str, arguments), "--home", str(tmp_path / "home")]
        result = CliRunner().invoke(app, words, env={"COLUMNS": "160", "TERM": "dumb"})
        return result.exit_code, " ".join(result.output.split())

    return invoke


def test_a_command_writes_them_without_a_server(command):
    assert TinyKnobs().model_dump(mode="json") == KNOBS, "the record's knobs are the defaults"
    assert command("A", "--step", 4) == (0, "tiny-A-4.safetensors")
    with open("tiny-A-4.safetensors", "rb") as file:
        found = load(file.read())
    assert same(found, tiny_after(4, {2: 0.5}, seeded=7))
    assert command("A", "my.pt", "--format", "pt") == (0, "my.pt")
    assert same(torch.load("my.pt", weights_only=True), tiny_after(5, {2: 0.5}, seeded=7))
    code, output = command("A", "my.pt", "--format", "pt")
    assert code == 2
    assert "my.pt exists already" in output


def test_a_command_says_why_there_are_none(command):
    assert command("B") == (1, "descent: there is no recorded run 'B'")
    assert command("A", "--step", 6) == (
        1,
        "descent: step: run A has the steps 0 to 5 (given: 6)",
    )
    code, output = command("S")
    assert (code, output) == (
        1,
        "descent: run S trains in a script of its own, which alone has its weights",
    )
