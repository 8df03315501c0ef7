"""Which device a run trains on: what is offered, the faster one under `auto`, and what a device cannot do.

No accelerator is needed: devices are names here, and how fast one is a fake worker says.
"""

import asyncio
import json
import warnings
from dataclasses import replace

import httpx
import pytest
import torch

from descent.contract import Finished
from descent.engine import chance, tempo
from descent.engine import device as machine
from descent.engine.checkpoint import Checkpointer
from descent.engine.device import nearest, offered, pick_device
from descent.engine.loop import Loop
from descent.engine.messages import Measured, NotMeasured, RunSpec
from descent.engine.observe import borrowed
from descent.errors import NoDevice
from descent.registry import experiments
from descent.runs.choices import REMEMBERED, WORTH, Choice, Choices, chosen, key_of
from descent.runs.devices import Devices
from descent.runs.manager import RunManager
from descent.settings import Settings
from descent.store.store import Store
from descent.web.app import create_app
from descent.workers import forks
from descent.workers.process import LocalExecutor
from descent.workers.unable import unable
from descent.workers.worker import train
from tiny import REGISTRY, Said, Script, ThreadExecutor, Tiny, TinyKnobs, entry_of, loop_of

GPUS = ("cpu", "cuda:0", "cuda:1")


@pytest.fixture
def machine_with(monkeypatch):
    """Has this machine offer these devices."""

    def has(*devices):
        for module in (machine, __import__("descent.web.app", fromlist=["offered"])):
            monkeypatch.setattr(module, "offered", lambda: devices)

    return has


class Fake(ThreadExecutor):
    """A device is as fast as it is told to be, or fails for that reason; runs train on the CPU."""

    def __init__(self, **speeds):
        super().__init__()
        self.speeds = speeds
        self.measured = []
        self.trained = []

    async def start(self, spec, deliver, ended):
        if not spec.measure:
            self.trained.append(spec.device)
            return await super().start(replace(spec, device="cpu"), deliver, ended)
        kind = spec.device.partition(":")[0]
        self.measured.append(spec.device)
        said = self.speeds.get(kind)
        loop = asyncio.get_running_loop()
        if said is None:
            loop.call_soon(ended, "the worker process was killed by signal 11")
        elif isinstance(said, str):
            loop.call_soon(deliver, NotMeasured(1, 0, said))
        elif said != float("inf"):  # else it hangs
            loop.call_soon(deliver, Measured(1, 0, said))
        return Gone()


class Gone:
    """A worker of which nothing is left."""

    def kill(self):
        pass


@pytest.fixture
def with_runs(tmp_path, machine_with):
    """Makes a manager of runs on fake devices."""
    machine_with(*GPUS)
    made = []

    def make(executor, **settings):
        home = Settings(home=tmp_path, max_running=8, max_live=8, idle_pause=0, **settings)
        made.append(RunManager(home, executor, Store("", tmp_path), REGISTRY))
        return made[-1]

    return make


async def started(run):
    async with asyncio.timeout(20):
        await run.ready.wait()
    return run


def events(run, kind):
    found = []
    for entry in run.channel.tape.after(0):
        if not entry.binary:
            found.append(json.loads(entry.data))
    return [event for event in found if event["type"] == kind]


# What is offered


def test_this_machine_offers_the_cpu_and_what_torch_finds(monkeypatch):
    offered.cache_clear()
    monkeypatch.setattr(torch.cuda, "_is_compiled", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert offered() == GPUS
    offered.cache_clear()
    monkeypatch.setattr(torch.cuda, "_is_compiled", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert offered() == ("cpu", "mps")
    offered.cache_clear()


@pytest.mark.parametrize(
    ("asked", "busy", "placed"),
    [
        ("cpu", {}, ("cpu",)),
        ("cuda", {}, ("cuda:0",)),
        ("cuda", {"cuda:0": 1}, ("cuda:1",)),
        ("cuda", {"cuda:0": 2, "cuda:1": 3}, ("cuda:0",)),
        ("cuda:1", {"cuda:1": 9}, ("cuda:1",)),
        ("auto", {}, ("cpu", "cuda:0")),
        ("auto", {"cuda:0": 1, "cpu": 7}, ("cpu", "cuda:1")),
    ],
)
def test_a_gpu_asked_for_by_its_kind_is_the_one_with_the_fewest_runs(asked, busy, placed):
    assert pick_device(asked, GPUS, busy) == placed


def test_auto_leaves_nothing_to_choose_where_there_is_a_cpu_alone():
    assert pick_device("auto", ("cpu",), {}) == ("cpu",)


@pytest.mark.parametrize("asked", ["cuda:2", "mps"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(asked):
    with pytest.raises(
        NoDevice, match=rf"device: there is no {asked} here; choose one of auto, cpu, cuda:0, cuda:1"
    ):
        pick_device(asked, GPUS, {})


def test_a_run_from_elsewhere_goes_on_on_the_same_device_its_like_or_the_cpu():
    assert [nearest(one, GPUS) for one in ("cuda:1", "cuda:7", "cuda", "mps")] == [
        "cuda:1",
        "cuda:0",
        "cuda:0",
        "cpu",
    ]


def test_a_cluster_is_asked_for_a_gpu_by_name_alone(tmp_path, machine_with):
    machine_with(*GPUS)
    cluster = Devices(Settings(executor="ray", home=tmp_path), Fake(), {})
    assert cluster.offered == ("cpu", "cuda")
    assert [cluster.place(asked) for asked in ("auto", "cpu", "cuda")] == [("cpu",), ("cpu",), ("cuda",)]
    with pytest.raises(NoDevice):
        cluster.place("cuda:0")


def test_what_trains_with_metal_is_never_forked():
    assert forks.context("mps").get_start_method() == "spawn"
    assert forks.context("cuda:0").get_start_method() == forks.context().get_start_method()


@pytest.mark.slow
async def test_a_worker_that_was_not_forked_answers():
    """On a machine without Metal it says that; on one with it, it would train."""
    knobs = experiments()["neural-playground"].knobs_type().model_dump(mode="json")
    said, over = [], asyncio.Event()

    def deliver(output):
        said.append(output)
        over.set()

    async with asyncio.timeout(120):
        spec = RunSpec("run", "neural-playground", knobs, 0, "mps", max_steps=1)
        worker = await LocalExecutor().start(spec, deliver, said.append)
        await over.wait()
    worker.kill()
    assert said[0].event["status"] == "failed"
    assert "mps" in said[0].event["reason"].lower()


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="here it would be measured")
async def test_workers_measure_and_one_without_its_device_loses(tmp_path, machine_with):
    machine_with("cpu", "cuda:0")
    manager = RunManager(Settings(home=tmp_path, idle_pause=0), LocalExecutor(), Store("", tmp_path))
    run = manager.create("neural-playground", {}, max_steps=20)
    async with asyncio.timeout(120):
        while not run.ended:
            await asyncio.sleep(0.02)
    (said,) = events(run, "device")
    assert (run.status, run.device, run.step) == ("finished", "cpu", 20)
    assert said["rates"]["cpu"] > 10
    assert "cuda" in said["failed"]["cuda"].lower()
    await manager.close()


@pytest.mark.parametrize(
    "text", ["tpu", "cuda:", "cuda:-1", "cuda:100", "cuda:01", "mps:0", "CPU", "", "auto "]
)
async def test_a_name_of_no_device_is_refused_with_the_names_there_are(tmp_path, text):
    app = create_app(Settings(home=tmp_path), registry=REGISTRY, executor=Fake)
    async with app.router.lifespan_context(app), client(app) as api:
        answer = await api.post("/api/runs", json={"experiment": "tiny", "device": text})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "bad-field", "device")
    assert answer.json()["detail"] == (
        "device: expected auto, cpu, cuda, mps, or a GPU by its number, as cuda:0"
    )


def client(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_the_server_says_what_it_offers_and_takes_each(tmp_path, machine_with):
    machine_with(*GPUS)
    executor = Fake(cpu=1.0, cuda=5.0)
    app = create_app(Settings(home=tmp_path), registry=REGISTRY, executor=lambda: executor)
    async with app.router.lifespan_context(app), client(app) as api:
        health = (await api.get("/api/health")).json()
        assert (health["device"], health["devices"]) == ("cuda", list(GPUS))
        for asked in health["devices"]:
            made = await api.post("/api/runs", json={"experiment": "tiny", "device": asked, "paused": True})
            assert made.json()["device"] == asked
        refused = await api.post("/api/runs", json={"experiment": "tiny", "device": "cuda:2"})
    assert refused.json()["code"] == "no-device"
    assert refused.json()["params"] == {"asked": "cuda:2", "offered": "auto, cpu, cuda:0, cuda:1"}


# Spreading, and runs that went before


async def test_runs_are_spread_over_the_gpus_and_an_ended_one_makes_room(with_runs):
    manager = with_runs(Fake())
    runs = [manager.create("tiny", {}, device="cuda", paused=True) for _ in range(3)]
    assert [run.device for run in runs] == ["cuda:0", "cuda:1", "cuda:0"]
    await started(runs[0])
    for run in (runs[0], runs[2]):
        await manager.delete(run)
    assert manager.create("tiny", {}, device="cuda").device == "cuda:0"
    await manager.close()


async def test_a_branch_stays_on_the_device_of_its_run(with_runs):
    executor = Fake()
    manager = with_runs(executor)
    run = manager.create("tiny", {}, device="cuda:1", max_steps=5)
    await started(run)
    async with asyncio.timeout(20):
        while not run.ended:
            await asyncio.sleep(0.01)
    branch = await manager.branch(run, 3, {"lr": 0.2})
    assert branch.device == "cuda:1"
    assert executor.trained == ["cuda:1", "cuda:1"]
    await manager.close()


async def test_a_run_whose_device_is_gone_says_so(with_runs, machine_with):
    manager = with_runs(Fake())
    run = manager.create("tiny", {}, device="cuda:1", max_steps=5)
    async with asyncio.timeout(20):
        while not run.ended:
            await asyncio.sleep(0.01)
    machine_with("cpu")
    for again in (manager.branch(run, 3, {}), manager.take(run, 3, "weights")):
        with pytest.raises(
            NoDevice, match=rf"run {run.id} trained on cuda:1, which is not here; there are cpu"
        ) as no:
            await again
        assert no.value.params["reason"] == "gone"
    run.device = "cuda"  # of an early version
    machine_with("cpu", "cuda:0")
    manager.devices.need(run)
    await manager.close()


# The faster one


def test_the_faster_device_is_chosen_if_it_is_worth_it():
    assert chosen({"cpu": 100, "cuda": 500}, {}).kind == "cuda"
    assert chosen({"cpu": 100, "cuda": 100 * WORTH}, {}).kind == "cpu"
    assert chosen({"cpu": 4000, "cuda": 900}, {}).kind == "cpu"
    assert chosen({"cuda": 1}, {"cpu": "memory"}).kind == "cuda"
    assert chosen({}, {"cpu": "memory", "cuda": "memory"}).kind == "cpu"


async def test_auto_trains_on_the_faster_device_says_why_and_remembers_it(with_runs):
    executor = Fake(cpu=100.0, cuda=450.0)
    manager = with_runs(executor)
    run = await started(manager.create("tiny", {}))
    assert (run.device, executor.trained) == ("cuda:0", ["cuda:0"])
    (said,) = events(run, "device")
    assert (said["device"], said["rates"], said["failed"]) == ("cuda:0", {"cpu": 100.0, "cuda": 450.0}, {})
    assert executor.measured == ["cpu", "cuda:0"]
    second = await started(manager.create("tiny", {"lr": 0.2}))  # the rate makes no other model
    assert (second.device, executor.measured) == ("cuda:1", ["cpu", "cuda:0"])
    assert events(second, "device")[0]["rates"] == said["rates"]
    await manager.close()

    manager = with_runs(later := Fake())  # the server was started anew
    assert manager.create("tiny", {}).device == "cuda:0"
    await started(manager.create("tiny", {"size": 4}))
    assert later.measured == ["cpu", "cuda:1"]  # another model, and the first GPU has a run
    assert (await manager.get(run.id)).device == "cuda:0"
    await manager.close()


async def test_a_small_experiment_stays_on_the_cpu(with_runs):
    manager = with_runs(Fake(cpu=4000.0, cuda=900.0))
    run = await started(manager.create("tiny", {}))
    assert run.device == "cpu"
    assert events(run, "device")[0]["device"] == "cpu"
    await manager.close()


@pytest.mark.parametrize("how", ["float64", "memory", None])
async def test_a_device_that_fails_while_it_is_measured_loses(with_runs, how):
    manager = with_runs(Fake(cpu=1.0, cuda=how))
    run = await started(manager.create("tiny", {}))
    assert run.device == "cpu"
    reason = events(run, "device")[0]["failed"]["cuda"]
    assert reason == (how or "the worker process was killed by signal 11")
    await manager.close()


async def test_a_device_that_hangs_loses(with_runs, monkeypatch):
    monkeypatch.setattr("descent.runs.devices.WITHIN", 0.05)
    manager = with_runs(Fake(cpu=1.0, cuda=float("inf")))
    run = await started(manager.create("tiny", {}))
    assert run.device == "cpu"
    assert "no step was taken" in events(run, "device")[0]["failed"]["cuda"]
    await manager.close()


async def test_a_run_that_is_stopped_while_it_is_measured_ends_at_once(with_runs):
    executor = Fake(cpu=float("inf"))
    manager = with_runs(executor)
    run = manager.create("tiny", {})
    async with asyncio.timeout(20):
        while not executor.measured:
            await asyncio.sleep(0.01)
        await manager.delete(run)
        await manager.close()
    assert executor.trained == []


async def test_runs_that_are_measured_count_for_the_device_that_they_may_get(with_runs):
    manager = with_runs(Fake(cpu=1.0, cuda=3.0))
    runs = [manager.create("tiny", {}) for _ in range(2)]
    for run in runs:
        await started(run)
    assert [run.device for run in runs] == ["cuda:0", "cuda:1"]
    await manager.close()


async def test_two_runs_of_one_kind_are_measured_once(with_runs):
    executor = Fake(cpu=1.0, cuda=3.0)
    manager = with_runs(executor)
    runs = [manager.create("tiny", {}) for _ in range(2)]
    for run in runs:
        await started(run)
    assert executor.measured == ["cpu", "cuda:0"]
    await manager.close()


async def test_nothing_is_measured_where_there_is_a_cpu_alone(with_runs, machine_with):
    machine_with("cpu")
    executor = Fake()
    manager = with_runs(executor)
    run = await started(manager.create("tiny", {}))
    assert (executor.measured, events(run, "device")) == ([], [])
    await manager.close()


def test_what_is_remembered_has_a_bound_and_survives_a_damaged_file(tmp_path):
    file = tmp_path / "devices.json"
    choices = Choices(file)
    for number in range(REMEMBERED + 5):
        choices._found[str(number)] = Choice("cpu", {"cpu": 1.0})
    choices.keep("last", Choice("cuda", {"cpu": 1.0, "cuda": 2.0}, {"mps": "float64"}))
    again = Choices(file)
    assert (again.get("0"), again.get("last")) == (None, choices.get("last"))
    assert len(json.loads(file.read_text())) == REMEMBERED
    file.write_text('{"last": 3')
    assert Choices(file).get("last") is None


def test_a_choice_holds_for_the_knobs_that_make_the_model():
    entry = entry_of(Tiny)
    knobs = TinyKnobs().model_dump(mode="json")
    key = key_of(entry, knobs, GPUS)
    assert key_of(entry, knobs | {"lr": 1.0, "word": "b"}, GPUS[:2]) == key
    assert key_of(entry, knobs | {"size": 4}, GPUS) != key
    assert key_of(entry, knobs, ("cpu", "mps")) != key


# Measuring


class Slow(Tiny):
    """Each step takes as long as the clock is told."""

    seconds = 0.01
    now = 0.0
    most = float("inf")

    def step(self, knobs):
        if self.step_index >= self.most:
            raise Finished("over")
        Slow.now += self.seconds
        return super().step(knobs)


def rate_of(**how):
    cls = type("Slower", (Slow,), how)
    Slow.now = 0.0
    spec = RunSpec("run", "tiny", TinyKnobs().model_dump(mode="json"), 0, "cpu", measure=True)
    said = []
    tempo.measure(entry_of(cls), spec, said.append, clock=lambda: Slow.now)
    (found,) = said
    return found.rate


@pytest.mark.parametrize("seconds", [1e-4, 0.01, 0.3, 7.0])
def test_the_steps_per_second_are_measured_whatever_a_step_takes(seconds):
    assert rate_of(seconds=seconds) == pytest.approx(1 / seconds)
    assert Slow.now <= tempo.WARM_UP + tempo.LONGEST + (tempo.FEWEST + 2) * seconds


def test_an_experiment_that_ends_by_itself_is_measured_as_far_as_it_goes():
    assert rate_of(most=30) == pytest.approx(100)
    assert rate_of(most=2) == 0


def test_a_worker_tells_its_pace_and_what_a_device_lacks():
    spec = RunSpec("run", "tiny", TinyKnobs().model_dump(mode="json"), 0, "cpu", measure=True)
    said = []
    train(entry_of(Tiny), spec, None, said.append)
    assert said[0].rate > 10

    class Double(Tiny):
        def step(self, knobs):
            raise TypeError(FLOAT64)

    train(entry_of(Double), spec, None, said.append)
    assert said[1].reason.startswith("TypeError: Cannot convert a MPS Tensor")  # a CPU has float64


# What a device cannot do

FLOAT64 = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)
DOUBLE = "Trying to convert Double to the MPS backend but it does not have support for that dtype."
LACKING = (
    "The operator 'aten::linalg_qr.out' is not currently implemented for the MPS device. If you want this op "
    "to be considered for addition please comment on https://github.com/pytorch/pytorch/issues/141287 and "
    "mention use-case, that resulted in missing op as well as commit hash. As a temporary fix, you can set "
    "the environment variable `PYTORCH_ENABLE_MPS_FALLBACK=1` to use the CPU as a fallback for this op. "
    "WARNING: this will be slower than running natively on MPS."
)
ELSEWHERE = "Could not run 'aten::_foo' with arguments from the 'CUDA' backend. This could be because …"


@pytest.mark.parametrize(
    ("error", "device", "params"),
    [
        (TypeError(FLOAT64), "mps", {"reason": "float64", "device": "mps", "kind": "mps"}),
        (TypeError(DOUBLE), "mps", {"reason": "float64", "device": "mps", "kind": "mps"}),
        (
            NotImplementedError(LACKING),
            "mps",
            {"reason": "operation", "device": "mps", "operation": "aten::linalg_qr.out"},
        ),
        (
            NotImplementedError(ELSEWHERE),
            "cuda:0",
            {"reason": "operation", "device": "cuda:0", "operation": "aten::_foo"},
        ),
    ],
)
def test_what_a_device_lacks_is_named_with_what_to_do(error, device, params):
    refused = unable(error, device)
    assert refused is not None
    assert (refused.knob, refused.params) == ("device", params)
    assert refused.detail.startswith(f"device: {device} has no ")
    assert refused.detail.endswith("on the CPU")
    assert unable(error, "cpu") is None
    assert unable(TypeError("float() argument must be a string"), device) is None


def test_a_run_on_a_device_without_float64_fails_in_a_sentence_that_says_what_to_do():
    class Double(Tiny):
        def step(self, knobs):
            raise TypeError(FLOAT64)

    said = Said()
    spec = RunSpec("run", "tiny", TinyKnobs().model_dump(mode="json"), 0, "cpu:0")  # a CPU by another name
    train(entry_of(Double), spec, Script(), said.append)
    last = said.events("state")[-1]
    assert (last["status"], last["field"], last["params"]["reason"]) == ("failed", "device", "float64")
    assert last["reason"] == (
        "device: cpu:0 has no numbers of 64 bits, with which this experiment computes; "
        "begin a new run on the CPU"
    )


# Operations that are not exact


def warn(operation):
    """As torch warns of an operation, from the place where it was called."""
    warnings.warn(
        f"{operation} does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True, warn_only=True)'. You can file an issue at …",
        stacklevel=2,
    )


class Inexact(Tiny):
    """Two operations of its step have no exact algorithm, as a GPU's."""

    def step(self, knobs):
        warn("scatter_add_cuda_kernel")
        if self.step_index > 2:
            warn("cumsum_cuda_kernel")
            warnings.warn(
                "Memory Efficient attention defaults to a non-deterministic algorithm. …", stacklevel=1
            )
            warnings.warn("something else", stacklevel=1)
        return super().step(knobs)


def test_an_operation_that_is_not_exact_is_said_once_by_name(monkeypatch):
    monkeypatch.setattr("descent.engine.loop.SCALAR_INTERVAL", 0)
    monkeypatch.setattr("descent.engine.loop.UNWATCHED_INTERVAL", 0)
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        loop, said = loop_of(Inexact, max_steps=20)
        loop = Loop(loop.entry, replace(loop.spec, device="cpu:0"), loop._inbox, said.append)
        assert loop.run() == "finished"
    found = [event["params"] for event in said.events("diagnosis") if event["code"] == "not-exact"]
    assert found == [
        {"operations": ["scatter_add_cuda_kernel"]},
        {"operations": ["scatter_add_cuda_kernel", "cumsum_cuda_kernel", "Memory Efficient attention"]},
    ]
    assert {str(other.message) for other in others} == {"something else"}


def test_a_run_on_the_cpu_listens_to_no_warnings():
    before = warnings.showwarning
    loop_of(Tiny)
    assert warnings.showwarning is before


# A device's generator


@pytest.fixture
def metal(monkeypatch):
    """The state of Metal's generator, where there is none."""
    kept = {"state": torch.tensor([1, 2], dtype=torch.uint8)}

    def state():
        return kept["state"].clone()

    monkeypatch.setattr(torch.mps, "get_rng_state", state)
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: kept.update(state=state))
    return kept


def test_the_generator_of_metal_is_kept_and_put_back(metal):
    experiment = Tiny(0, torch.device("cpu"))
    experiment.build(TinyKnobs())
    experiment.device = torch.device("mps")
    with borrowed(experiment):
        metal["state"] = torch.tensor([9, 9], dtype=torch.uint8)  # what a probe draws
    assert metal["state"].tolist() == [1, 2]


def test_a_checkpoint_has_the_generator_of_its_device(metal):
    experiment = Tiny(0, torch.device("cpu"))
    experiment.build(TinyKnobs())
    experiment.device = torch.device("mps")
    checkpointer = Checkpointer(experiment)
    data = checkpointer.take()
    metal["state"] = torch.tensor([9, 9], dtype=torch.uint8)
    checkpointer.put_back(data)
    assert metal["state"].tolist() == [1, 2]
    experiment.device = torch.device("cpu")  # imported where there is no Metal
    metal["state"] = torch.tensor([9, 9], dtype=torch.uint8)
    checkpointer.put_back(data)
    assert metal["state"].tolist() == [9, 9]


def test_the_cpu_has_no_generator_beside_torchs():
    assert chance.state_of(torch.device("cpu")) is None
    chance.set_state_of(torch.device("cpu"), None)
