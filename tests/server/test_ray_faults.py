"""What goes wrong on a Ray cluster: actors killed, a node lost, the head lost, other versions, no room.

Only where a cluster of its own is there, as test_on_ray.py makes it; the tests stand in the order in which
they wear it down.
"""

import asyncio
import contextlib
import importlib.util
import os
import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch
from test_executors import EXPERIMENT, columns_of, manager, scalars_of, until
from test_processes import children_of

import ray_cluster
from conftest import serving
from descent.datasets.own import OwnFiles
from descent.engine.messages import Control, Event, RunSpec, ScalarsFrame, Unplaced
from descent.kit.data.own_images import OWN_SIDE, OwnImages, packed
from descent.own.load import loaded
from descent.own.new import begin
from descent.own.places import places
from descent.registry import chapters, experiments
from descent.workers.executor import Interruption
from descent.workers.on_ray.executor import RayExecutor
from descent.workers.process import LocalExecutor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        ray_cluster.INSIDE not in os.environ or importlib.util.find_spec("ray") is None,
        reason="no Ray cluster is there that may be broken (test_on_ray.py makes one)",
    ),
]
WITHIN = 10  # seconds until a loss is noticed
__all__ = ["manager"]  # the fixture


@pytest.fixture(scope="module")
async def executor():
    executor = RayExecutor(ray_cluster.ADDRESS, LocalExecutor())
    yield executor
    executor.close()


def resident(pid):
    """MiB that a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def spec_of(**how):
    knobs = experiments()[EXPERIMENT].knobs_type().model_dump(mode="json")
    return RunSpec(
        **{"run": "run", "experiment": EXPERIMENT, "knobs": knobs, "seed": 0, "device": "cpu"} | how
    )


async def said_of(executor, spec, last=lambda message: isinstance(message, str)):
    """All that a run says, up to its end or another message."""
    said = asyncio.Queue()
    worker = await executor.start(spec, said.put_nowait, said.put_nowait)
    messages = []
    async with asyncio.timeout(120):
        while not messages or not last(messages[-1]):
            messages.append(await said.get())
    worker.kill()
    return messages


def state_of(messages):
    """The last state of what a run said."""
    return [one.event for one in messages if isinstance(one, Event) and one.event["type"] == "state"][-1]


async def begun(manager, count=1):
    runs = [manager.create(EXPERIMENT, {}, seed=seed) for seed in range(count)]
    for run in runs:
        await until(lambda run=run: run.step > 200, "it trains")
    return runs


async def test_what_the_cluster_cannot_give_is_said(executor):
    for lacking, needs in (("no-gpu", {"device": "cuda"}), ("no-cpu", {"cores": 2})):  # a node has one
        messages = await said_of(executor, spec_of(**needs), lambda one: isinstance(one, Unplaced))
        assert messages[-1].reason == lacking


async def test_a_node_with_another_torch_is_refused(executor, tmp_path):
    other = tmp_path / "torch-9.9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9.9\n")
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    await asyncio.to_thread(
        ray_cluster.start,
        f"--address={ray_cluster.ADDRESS}",
        "--num-cpus=1",
        "--num-gpus=1",
        '--resources={"other": 1}',
        PYTHONPATH=path,
    )
    messages = await said_of(executor, spec_of(device="cuda"))
    assert "torch 9.9.9, and this server torch 2." in messages[-1], messages
    assert not isinstance(messages[-1], Interruption)
    for pid in ray_cluster.processes("raylet/raylet", "other"):
        os.kill(pid, signal.SIGTERM)  # in good order: the cluster knows at once


def test_a_server_trains_there_and_leaves_nothing_behind(tmp_path):
    with serving(tmp_path, "--executor=ray", f"--ray-address={ray_cluster.ADDRESS}") as server:
        with httpx.Client(base_url=server.url, timeout=60) as api:
            body = {"experiment": EXPERIMENT, "max_steps": 50}
            run = api.post("/api/runs", json=body).raise_for_status().json()["id"]
            endless = api.post("/api/runs", json={"experiment": EXPERIMENT}).raise_for_status().json()["id"]
            latest = time.monotonic() + 90
            while (found := api.get(f"/api/runs/{run}").json())["status"] != "finished":
                assert found["status"] in ("starting", "running"), found
                assert time.monotonic() < latest, found
                time.sleep(0.1)
            while (found := api.get(f"/api/runs/{endless}").json())["step"] < 50:
                assert time.monotonic() < latest, found
                time.sleep(0.1)
        assert ray_cluster.processes("ray::RunActor")
        assert "Traceback" not in server.stop()
    latest = time.monotonic() + 20
    while ray_cluster.processes("ray::RunActor"):
        assert time.monotonic() < latest
        time.sleep(0.1)


def tree(pid):
    """A process and all that came of it."""
    return [pid, *(each for child in children_of(pid) for each in tree(child))]


def second_node():
    """Ray's own process of the second node."""
    (pid,) = ray_cluster.processes("raylet/raylet", "second")
    return pid


def join_second_node():
    ray_cluster.start(f"--address={ray_cluster.ADDRESS}", "--num-cpus=1", '--resources={"second": 1}')


def actors():
    return ray_cluster.processes("ray::RunActor")


def trainers():
    """The runs' own processes: forks of the nests."""
    nests = ray_cluster.processes("descent.workers.on_ray.nest")
    return [pid for nest in nests for pid in children_of(nest)]


def victims(kind, chance):
    """The processes to kill: a run's actor or its own process, or the second node's, all or the first."""
    if kind == "actor":
        return [chance.choice(actors())]
    if kind == "process":
        return [chance.choice(trainers())]
    return tree(second_node()) if kind == "node" else [second_node()]


async def test_what_is_killed_twenty_times_has_the_numbers_of_what_was_not(manager):
    chance = random.Random(7)
    kinds = ["actor"] * 10 + ["process"] * 7 + ["node"] + ["raylet"] * 2
    chance.shuffle(kinds)
    runs = await begun(manager, 2)  # on both nodes
    for run in runs:
        await manager.set_pace(run, 300)
    took = {}
    for kind in kinds:
        await until(lambda: len(actors()) == len(trainers()) == 2, "nothing is left of those killed before")
        await asyncio.sleep(chance.uniform(0, 1.5))
        for pid in victims(kind, chance):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        await until(lambda: any(run.ended for run in runs), "it is noticed")
        took.setdefault(kind, []).append(time.monotonic() - began)
        (lost,) = [run for run in runs if run.ended]
        assert lost.status == ("failed" if kind in ("actor", "process") else "interrupted"), lost.reason
        if kind in ("node", "raylet"):
            await asyncio.to_thread(join_second_node)
        await manager.recorder.flush()
        at = lost.step
        await manager.resume(lost)
        await until(lambda lost=lost, at=at: lost.step > at or lost.ended, "it trains on")
        assert lost.status == "running", lost.reason
    for kind, seconds in took.items():
        seconds.sort()
        middle = seconds[len(seconds) // 2]
        print(f"{kind} killed: noticed after {seconds[0]:.2f} / {middle:.2f} / {seconds[-1]:.2f} s")
    assert max(max(seconds) for seconds in took.values()) < WITHIN
    for seed, run in enumerate(runs):
        await manager.stop(run)
        steps = scalars_of(run)["step"].tolist()
        assert steps == list(range(len(steps)))
        whole = await said_of(LocalExecutor(), spec_of(seed=seed, max_steps=len(steps)))
        here = columns_of(one.payload for one in whole if isinstance(one, ScalarsFrame))
        for name, values in scalars_of(run).items():
            assert values.tobytes() == here[name].tobytes(), name


async def test_a_node_that_falls_silent_is_given_up(manager):
    runs = await begun(manager, 2)
    node = tree(second_node())
    for pid in node:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        await until(lambda: any(run.ended for run in runs), "it is noticed")
        print(f"silent node noticed after {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < WITHIN
        (lost,) = [run for run in runs if run.ended]
        assert (lost.status, lost.reason) == ("interrupted", "the node 127.0.0.1 has not answered for 7 s")
    finally:
        for pid in node:
            os.kill(pid, signal.SIGKILL)
    (other,) = [run for run in runs if not run.ended]
    await manager.stop(other)
    await asyncio.to_thread(join_second_node)


async def test_a_run_that_takes_too_much_fails_alone_and_says_which_knob(executor):
    other, ended = [], []
    worker = await executor.start(spec_of(), other.append, ended.append)
    large = experiments()["mlp-digits"].knobs_type(batch_size=128).model_dump(mode="json")
    messages = await said_of(executor, spec_of(experiment="mlp-digits", knobs=large, memory_mb=16))
    state = state_of(messages)
    assert state["status"] == "failed"
    assert "batch_size: 128 is too large: a run may take 16 MiB of memory (setting RUN_MB)" in state["reason"]
    assert (state["field"], state["params"]["most"]) == ("batch_size", 16)
    heard = len(other)
    async with asyncio.timeout(10):
        while len(other) < heard + 3:
            await asyncio.sleep(0.05)
    assert not ended
    worker.kill()


async def test_a_paused_run_gives_its_cpu_to_another_and_goes_on_beside_it(manager):
    first, second = await begun(manager, 2)  # as many as there are cores
    third = manager.create(EXPERIMENT, {}, seed=2)
    await until(lambda: third.reason == "cpus-taken", "there is no room for it")
    await manager.pause(first)
    await until(lambda: third.step > 20, "it has the paused one's")
    at = first.step
    await manager.resume(first)
    await until(lambda: first.step > at + 20, "it trains on")
    await manager.stop(third)  # its core is taken again by the one that went on
    await asyncio.sleep(4)  # Ray looks once a second for what it has room for
    fourth = manager.create(EXPERIMENT, {}, seed=3)
    await until(lambda: fourth.reason == "cpus-taken", "there is no room for another")
    branch = await manager.branch(second, 100, {"lr": 0.1}, paused=True)
    await until(lambda: branch.status == "paused", "what begins paused waits for no core")
    for run in (first, second, fourth, branch):
        await manager.stop(run)


async def test_an_experiment_of_ones_own_travels_with_the_run(executor, tmp_path):
    begin("spiral", tmp_path / "lab", set())
    (place,) = places([tmp_path / "lab"], chapters())
    (code,) = place.read()
    shutil.rmtree(tmp_path / "lab")
    knobs = loaded(code).knobs_type().model_dump(mode="json")
    messages = await said_of(executor, spec_of(experiment="spiral", knobs=knobs, code=code, max_steps=5))
    assert state_of(messages)["status"] == "finished", state_of(messages)["reason"]


async def test_a_table_and_pictures_of_ones_own_are_read_on_the_node(executor, tmp_path):
    files = OwnFiles(tmp_path / "data", most=3)
    rows = b"".join(b"%d,%d,%s\n" % (n % 7, n % 5, b"ab"[n % 2 :][:1]) for n in range(60))
    table = files.add("points.csv", "table", b"x,y,kind\n" + rows).id
    pixels = torch.randint(256, (40, 3, OWN_SIDE, OWN_SIDE), dtype=torch.uint8)
    kept = packed(OwnImages(pixels, torch.arange(40) % 2, ("cat", "dog")))
    pictures = files.add("pets.zip", "images", kept).id
    for experiment, file in (("neural-playground", table), ("mlp-digits", pictures)):
        made = experiments()[experiment].knobs_type(dataset="file", file=file).model_dump(mode="json")
        spec = spec_of(experiment=experiment, knobs=made, max_steps=5, data=(str(tmp_path / "data"),))
        assert state_of(await said_of(executor, spec))["status"] == "finished"
        lacking = state_of(await said_of(executor, replace(spec, data=())))
        assert lacking["status"] == "failed"
        assert f"the file {file} is no longer on this machine" in lacking["reason"]


async def test_a_server_that_reads_nothing_costs_no_memory_and_no_message(executor):
    said = []
    ended = asyncio.Event()
    worker = await executor.start(spec_of(max_steps=400_000), said.append, lambda cause: ended.set())
    async with asyncio.timeout(60):
        while not any(isinstance(one, ScalarsFrame) for one in said):
            await asyncio.sleep(0.05)
    driver = executor._connecting.result()._process.pid
    (actor,) = ray_cluster.processes("ray::RunActor")
    os.kill(driver, signal.SIGSTOP)
    try:
        await asyncio.sleep(3)
        before = resident(actor)
        await asyncio.sleep(9)
        grown = resident(actor) - before
    finally:
        os.kill(driver, signal.SIGCONT)
    print(f"unread for 12 s: the actor grew by {grown:.1f} MiB")
    assert grown < 24
    heard = len(said)
    async with asyncio.timeout(30):
        while len(said) < heard + 5:
            await asyncio.sleep(0.05)
    worker.send(Control("stop", {"reason": "user"}))
    await asyncio.wait_for(ended.wait(), 30)
    frames = [one for one in said if isinstance(one, ScalarsFrame)]
    steps = columns_of(one.payload for one in frames)["step"].tolist()
    assert steps == list(range(len(steps)))


async def test_a_lost_node_interrupts_its_run_alone(manager):
    runs = await begun(manager, 2)  # as many as there are cores
    await asyncio.sleep(1.5)
    for pid in tree(second_node()):
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    await until(lambda: any(run.ended for run in runs), "it is noticed")
    took = time.monotonic() - began
    (lost,) = [run for run in runs if run.ended]
    (other,) = [run for run in runs if not run.ended]
    print(f"lost node noticed after {took:.2f} s: {lost.reason}")
    assert took < WITHIN
    assert lost.status == "interrupted"
    await manager.recorder.flush()
    at = lost.step
    await manager.resume(lost)
    await until(lambda: lost.reason == "cpus-taken", "there is no room for it")
    assert lost.status == "starting"
    await manager.stop(other)
    await until(lambda: lost.step > at + 50, "it trains on, on the other node")
    await manager.stop(lost)


async def test_a_lost_head_interrupts_all_and_the_server_goes_on_until_it_is_back(manager, executor):
    (run,) = await begun(manager)
    for pid in [*ray_cluster.processes("gcs_server"), *ray_cluster.processes("raylet/raylet")]:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    await until(lambda: run.ended, "it is noticed")
    print(f"lost head noticed after {time.monotonic() - began:.2f} s: {run.reason}")
    assert time.monotonic() - began < WITHIN
    assert run.status == "interrupted"
    with pytest.raises(OSError, match=r"the head of .*:6379, is gone|nothing listens"):
        await said_of(executor, spec_of(device="cuda"))  # here is no GPU
    await until(lambda: not actors(), "nothing is left of those that the head had")
    await manager.recorder.flush()
    at = run.step
    await manager.resume(run)
    await until(lambda: run.step > at + 50 or run.ended, "it trains on, on the server's machine")
    assert run.status == "running", run.reason
    assert not actors()
    assert any(b"not-on-cluster" in entry.data for entry in run.channel.tape.after(0) if not entry.binary)
    await manager.stop(run)
    await asyncio.to_thread(ray_cluster.start_head)
    there = manager.create(EXPERIMENT, {})
    await until(lambda: there.step > 200, "it trains on the cluster")
    assert actors()
    await manager.stop(there)
