"""What only real processes can show: workers that die, servers that die, and what is left behind."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.slow


def children_of(pid):
    """The processes that a process has started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            child, _, rest = stat.read_text().partition(" ")
            if int(rest.rpartition(")")[2].split()[1]) == pid:
                found.add(int(child))
    return found


def workers_of(server):
    """The processes that train: what the server's fork server has started."""
    return set().union(*map(children_of, children_of(server.process.pid)))


def processes_of(server):
    """All that a server has started, directly or not."""
    return children_of(server.process.pid) | workers_of(server)


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


async def delete(server, *runs):
    async with httpx.AsyncClient(base_url=server.url) as api:
        for run in runs:
            await api.delete(f"/api/runs/{run}")


async def test_a_killed_worker_fails_its_run_and_the_others_go_on(server):
    other = await new_run(server)
    await until_state(server, other, "running")
    others = workers_of(server)
    run = await new_run(server)
    await until_state(server, run, "running")
    (worker,) = workers_of(server) - others
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
    await delete(server, run, other)


async def test_a_worker_that_hangs_does_not_hold_up_the_server(server):
    others = workers_of(server)
    run = await new_run(server)
    await until_state(server, run, "running")
    (worker,) = workers_of(server) - others
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
    await delete(server, run, other)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_shutdown_leaves_no_process(own_server, sign):
    runs = [await new_run(own_server), await new_run(own_server, paused=True)]
    await until_state(own_server, runs[0], "running")
    await until_state(own_server, runs[1], "paused")
    assert len(workers_of(own_server)) == 2
    processes = processes_of(own_server)
    async with connect(f"{own_server.socket_url}/api/runs/{runs[0]}/stream", proxy=None) as stream:
        await stream.recv()
        own_server.process.send_signal(sign)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await stream.recv()
        assert stream.close_code == 1012
    for pid in processes:
        await gone(pid)
    assert "Traceback" not in own_server.stop()


async def test_shutdown_while_a_worker_starts_leaves_no_process(own_server):
    await new_run(own_server)
    processes = processes_of(own_server)
    assert "Traceback" not in own_server.stop()
    for pid in processes:
        await gone(pid)


async def test_workers_do_not_outlive_their_server(own_server):
    run = await new_run(own_server)
    await until_state(own_server, run, "running")
    processes = processes_of(own_server)
    assert len(processes) == 3  # a worker, the fork server, and multiprocessing's resource tracker
    own_server.process.kill()
    for pid in processes:
        await gone(pid)
