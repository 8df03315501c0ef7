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
from pathlib import Path

import httpx
import pytest
from test_executors import EXPERIMENT, columns_of, manager, scalars_of, until
from test_processes import children_of

import ray_cluster
from conftest import serving
from descent.engine.messages import Control, Event, RunSpec, ScalarsFrame, Unplaced
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
    executor = RayExecutor(ray_cluster.ADDRESS)
    yield executor
    executor.close()


def processes(*words):
    """The processes in whose command line all these words are."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if all(word in line for word in words) and int(file.parent.name) != os.getpid():
                found.append(int(file.parent.name))
    return found


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


async def begun(manager, count=1):
    runs = [manager.create(EXPERIMENT, {}, seed=seed) for seed in range(count)]
    for run in runs:
        await until(lambda run=run: run.step > 200, "it trains")
    return runs


async def test_what_the_cluster_cannot_give_is_said(executor):
    messages = await said_of(executor, spec_of(device="cuda"), lambda one: isinstance(one, Unplaced))
    assert messages[-1].reason == "no-gpu"


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
    for pid in processes("raylet/raylet", "other"):
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
        assert processes("ray::RunActor")
        assert "Traceback" not in server.stop()
    latest = time.monotonic() + 20
    while processes("ray::RunActor"):
        assert time.monotonic() < latest
        time.sleep(0.1)


async def test_a_killed_actor_is_noticed_and_its_run_resumed(manager):
    (run,) = await begun(manager)
    await asyncio.sleep(1.5)  # a checkpoint is taken after a second
    (pid,) = processes("ray::RunActor")
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    await until(lambda: run.ended, "it is noticed")
    print(f"killed actor noticed after {time.monotonic() - began:.2f} s: {run.reason}")
    assert time.monotonic() - began < WITHIN
    assert run.status == "failed"
    assert "worker process on the node" in run.reason
    await manager.recorder.flush()
    at = run.step
    await manager.resume(run)
    await until(lambda: run.step > at + 50, "it trains on")
    await manager.stop(run)


async def test_a_run_killed_at_random_moments_has_the_numbers_of_one_that_was_not(manager):
    chance = random.Random(7)
    run = manager.create(EXPERIMENT, {}, seed=9, max_steps=20_000)
    for _ in range(3):
        at = run.step
        await until(lambda at=at: run.step > at, "it trains")
        await asyncio.sleep(chance.uniform(0, 2))
        for pid in processes("ray::RunActor"):
            os.kill(pid, signal.SIGKILL)
        await until(lambda: run.ended, "it is noticed")
        if run.status == "finished":
            break
        await manager.recorder.flush()
        await manager.resume(run)
    await until(lambda: run.ended and run.status == "finished", "it ends")
    steps = scalars_of(run)["step"].tolist()
    whole = await said_of(LocalExecutor(), spec_of(seed=9, max_steps=steps[-1] + 1))
    here = columns_of(one.payload for one in whole if isinstance(one, ScalarsFrame))
    first = steps[0]
    for name, values in scalars_of(run).items():
        assert values.tobytes() == here[name][first:].tobytes(), name


async def test_an_experiment_of_ones_own_travels_with_the_run(executor, tmp_path):
    begin("spiral", tmp_path / "lab", set())
    (place,) = places([tmp_path / "lab"], chapters())
    (code,) = place.read()
    shutil.rmtree(tmp_path / "lab")
    knobs = loaded(code).knobs_type().model_dump(mode="json")
    messages = await said_of(executor, spec_of(experiment="spiral", knobs=knobs, code=code, max_steps=5))
    states = [one.event for one in messages if isinstance(one, Event) and one.event["type"] == "state"]
    assert states[-1]["status"] == "finished", states[-1]["reason"]


async def test_a_server_that_reads_nothing_costs_no_memory_and_no_message(executor):
    said = []
    ended = asyncio.Event()
    worker = await executor.start(spec_of(max_steps=400_000), said.append, lambda cause: ended.set())
    async with asyncio.timeout(60):
        while not any(isinstance(one, ScalarsFrame) for one in said):
            await asyncio.sleep(0.05)
    driver = executor._connecting.result()._process.pid
    (actor,) = processes("ray::RunActor")
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
    (node,) = processes("raylet/raylet", "second")
    for pid in [
        node,
        *children_of(node),
    ]:  # alone, a worker trains on for seconds
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


async def test_a_lost_head_interrupts_all_and_the_server_goes_on(manager, executor):
    (run,) = await begun(manager)
    for pid in [*processes("gcs_server"), *processes("raylet/raylet")]:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    await until(lambda: run.ended, "it is noticed")
    print(f"lost head noticed after {time.monotonic() - began:.2f} s: {run.reason}")
    assert time.monotonic() - began < WITHIN
    assert run.status == "interrupted"
    with pytest.raises(OSError, match=r"cannot be reached \(setting RAY_ADDRESS\): nothing listens there"):
        await said_of(executor, spec_of())
    other = manager.create(EXPERIMENT, {})
    await until(lambda: other.ended, "it ends")
    assert other.status == "failed"
    assert "the Ray cluster at 127.0.0.1:6379 cannot be reached" in other.reason
