"""What only real processes can show: workers that die, servers that die, and what is left behind."""

import asyncio
import json
import os
import signal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


def children_of(pid):
    """The processes that a process started, and those these started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue  # it has ended meanwhile
        if int(rest.split()[1]) == pid:
            child = int(name.split()[0])
            found += [child, *children_of(child)]
    return found


def is_worker(pid):
    """Whether a process trains a run; the fork server and the resource tracker do not."""
    try:
        return not any(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()) and "inbox" in {
            task.read_text().strip() for task in Path(f"/proc/{pid}/task").glob("*/comm")
        }
    except OSError:
        return False


async def gone(pid):
    """Wait until a process is no more."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def new_run(server, **body):
    async with httpx.AsyncClient(base_url=server.url) as api:
        answer = await api.post("/api/runs", json={"experiment": "neural-playground", **body})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]


async def until_state(server, run, status, act=None):
    """Watch a run's stream until it has this status; `act` once it has trained."""
    async with (
        asyncio.timeout(60),
        connect(f"{server.socket_url}/api/runs/{run}/stream", proxy=None) as stream,
    ):
        async for message in stream:
            if isinstance(message, bytes):
                if act:
                    act()
                    act = None
                continue
            event = json.loads(message)
            if event["type"] == "state" and event["status"] == status:
                return event
    raise AssertionError("the stream ended")


async def test_a_killed_worker_fails_its_run_and_the_others_go_on(serve):
    server = serve(max_running=2)
    other = await new_run(server)
    await until_state(server, other, "running")
    others = set(children_of(server.process.pid))
    run = await new_run(server)
    await until_state(server, run, "running")
    (worker,) = set(children_of(server.process.pid)) - others
    event = await until_state(server, run, "failed", act=lambda: os.kill(worker, signal.SIGKILL))
    assert event["reason"] == "the worker process was killed by signal 9"
    async with httpx.AsyncClient(base_url=server.url) as api:
        shown = (await api.get(f"/api/runs/{run}")).json()
        assert (shown["status"], shown["reason"]) == ("failed", event["reason"])
        steps = (await api.get(f"/api/runs/{run}/scalars")).json()["step"]
        assert steps == list(range(shown["step"]))
        assert steps
        answer = (await api.patch(f"/api/runs/{other}", json={"knobs": {"lr": 0.01}})).json()
        assert answer["knobs"] == {"lr": 0.01}
    assert "Traceback" not in server.stop()


async def test_a_worker_that_hangs_does_not_hold_up_the_server(serve):
    server = serve(max_running=2)
    run = await new_run(server)
    await until_state(server, run, "running")
    (worker,) = [pid for pid in children_of(server.process.pid) if is_worker(pid)]
    os.kill(worker, signal.SIGSTOP)
    async with connect(f"{server.socket_url}/api/runs/{run}/stream", proxy=None) as stream:
        for number in range(3000):  # far more than a pipe holds
            panels = ["loss"] if number % 2 else []
            await stream.send(json.dumps({"type": "watch", "panels": panels}))
        other = await new_run(server)
        await until_state(server, other, "running")
    os.kill(worker, signal.SIGCONT)
    async with httpx.AsyncClient(base_url=server.url) as api:
        assert (await api.post(f"/api/runs/{run}/stop", timeout=30)).json()["status"] == "stopped"
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_shutdown_is_prompt_and_leaves_no_process(serve, sign):
    server = serve()
    runs = [await new_run(server), await new_run(server, paused=True)]
    await until_state(server, runs[0], "running")
    await until_state(server, runs[1], "paused")
    processes = children_of(server.process.pid)
    assert sum(map(is_worker, processes)) == 2
    async with connect(f"{server.socket_url}/api/runs/{runs[0]}/stream", proxy=None) as stream:
        await stream.recv()
        server.process.send_signal(sign)
        with pytest.raises(ConnectionClosed):
            while True:
                await stream.recv()
    for pid in processes:
        await gone(pid)
    assert "Traceback" not in server.stop()


async def test_shutdown_while_a_worker_starts_leaves_no_process(serve):
    server = serve()
    await new_run(server)
    output = server.stop()
    assert "Traceback" not in output
    assert children_of(server.process.pid) == []


async def test_workers_do_not_outlive_their_server(serve):
    server = serve()
    run = await new_run(server)
    await until_state(server, run, "running")
    processes = children_of(server.process.pid)
    server.process.kill()
    for pid in processes:
        await gone(pid)
    server.process.communicate(timeout=20)
