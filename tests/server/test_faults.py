"""What is recorded when workers and servers are killed at any moment, and who may use a store.

The moments are random, from a fixed seed. Servers are real processes, forked from one that has everything
loaded, and so are their workers: twenty of them start in the time of one.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text
from test_processes import children_of

from descent import __version__
from descent.store.database import StoreInUse
from descent.store.store import Store

pytestmark = pytest.mark.slow

KILLS = pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.thorough)])
LOST = 1.0  # seconds of a killed server's last scalars, at most
NURSERY = """
import gc, json, os, sys
from multiprocessing import forkserver
import descent.web.app, descent.cli.main
from descent.workers.process import LocalExecutor

LocalExecutor().warm_up()
forkserver._forkserver.ensure_running = forkserver.ensure_running = lambda: None  # for all servers
gc.freeze()  # or each server would copy all of it when it first collects garbage
for line in sys.stdin:
    server = os.fork()
    if not server:
        sys.argv = ["descent", "serve", "--port=0", "--idle-pause=0", *json.loads(line)]
        descent.cli.main.main()
    print(json.dumps({"server": server}))
    _, status = os.waitpid(server, 0)
    print(json.dumps({"ended": os.waitstatus_to_exitcode(status)}))
"""


class Nursery:
    """Starts servers, one at a time."""

    def __init__(self, process):
        self._process = process

    def workers(self):
        """The processes that train."""
        return set().union(*map(children_of, children_of(self._process.pid)))

    def start(self, *options):
        """Start a server: its process, if it did not end at once."""
        self._process.stdin.write(json.dumps(options) + "\n")
        self._process.stdin.flush()

    def hear(self):
        """A line from the nursery or its server: a process's id or exit code, an address, or a text."""
        line = self._process.stdout.readline()
        assert line, "the nursery has ended"
        if line.startswith("{"):
            ((kind, value),) = json.loads(line).items()
            return kind, value
        address = re.search(r"http://localhost:(\d+)/", line)
        return ("url", f"http://127.0.0.1:{address[1]}") if address else ("text", line)

    @contextlib.asynccontextmanager
    async def serving(self, home, *options):
        """A server, which is told to stop in the end if it is not gone by then."""
        self.start(f"--home={home}", *options)
        heard = {}
        while not heard.keys() >= {"server", "url"}:
            kind, value = await asyncio.to_thread(self.hear)
            heard[kind] = value
            assert kind in ("server", "url"), value
        async with httpx.AsyncClient(base_url=heard["url"], timeout=30) as api:
            server = Server(heard["server"], api, self)
            try:
                yield server
            finally:
                if not server.gone:
                    assert await server.end(signal.SIGINT) == 0

    def refused(self, *options):
        """What a server says that ends at once, and its exit code."""
        self.start(*options)
        said = []
        while (heard := self.hear())[0] != "ended":
            if heard[0] == "text":
                said.append(heard[1])
            assert heard[0] != "url"
        return "".join(said), heard[1]


class Server:
    """A running server."""

    def __init__(self, pid, api, nursery):
        self.gone = False
        self._pid = pid
        self._api = api
        self._nursery = nursery

    async def ask(self, method, path, **body):
        """The answer to a request that is granted."""
        answer = await self._api.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def run(self, id):
        """How a run is."""
        return await self.ask("GET", f"/api/runs/{id}")

    async def scalars(self, id):
        """All its scalars, in columns."""
        return await self.ask("GET", f"/api/runs/{id}/scalars")

    async def resume(self, id):
        """Let it go on; it may end at any moment."""
        return await self._api.post(f"/api/runs/{id}/resume")

    async def end(self, sign):
        """Send the server a signal and wait until it is gone; its exit code."""
        self.gone = True
        os.kill(self._pid, sign)
        while (heard := await asyncio.to_thread(self._nursery.hear))[0] != "ended":
            pass
        return heard[1]


@pytest.fixture(scope="module")
def nursery():
    with subprocess.Popen(
        [sys.executable, "-u", "-c", NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield Nursery(process)
        process.stdin.close()


async def new_run(server, pace=None, **body):
    """A run that trains at this pace, or as fast as it goes."""
    run = await server.ask("POST", "/api/runs", experiment="neural-playground", paused=True, **body)

    async def is_ready():  # the server's first worker waits for what all of them load
        return (await server.run(run["id"]))["status"] == "paused"

    await until(is_ready)
    await server.ask("POST", f"/api/runs/{run['id']}/pace", steps_per_second=pace)
    await server.ask("POST", f"/api/runs/{run['id']}/resume")
    return run["id"]


async def until(condition):
    """Wait until something that only looking can tell, and return it."""
    async with asyncio.timeout(120):  # a first worker takes long on a busy machine
        while not (found := await condition()):
            await asyncio.sleep(0.003)
    return found


async def failed(server, id):
    run = await server.run(id)
    return run if run["status"] == "failed" else None


async def assert_same_numbers(server, id):
    """Its scalars are those of a run that nothing happened to."""
    scalars = await server.scalars(id)
    assert scalars["step"] == list(range(len(scalars["step"])))
    other = await new_run(server, max_steps=len(scalars["step"]))

    async def is_finished():
        return (await server.run(other))["status"] == "finished"

    await until(is_finished)
    assert await server.scalars(other) == scalars


@KILLS
async def test_a_worker_killed_at_any_moment_leaves_a_run_that_goes_on_without_a_gap(
    nursery, tmp_path, kills
):
    moments = random.Random(0)
    async with nursery.serving(tmp_path) as server:
        run = await new_run(server)

        async def worker():
            return nursery.workers()

        for _ in range(kills):
            resuming = asyncio.create_task(server.resume(run))
            (pid,) = await until(worker)
            await asyncio.sleep(moments.uniform(0, 0.3))
            os.kill(pid, signal.SIGKILL)
            await resuming
            found = await until(lambda: failed(server, run))
            assert found["reason"] == "the worker process was killed by signal 9"
        assert (await server.resume(run)).json()["status"] == "running"
        assert (await server.ask("POST", f"/api/runs/{run}/stop"))["status"] == "stopped"
        await assert_same_numbers(server, run)


@KILLS
async def test_a_server_killed_at_any_moment_loses_no_scalar_older_than_a_second(nursery, tmp_path, kills):
    moments = random.Random(1)
    run, seen, killed_at = None, [], 0.0
    for _ in range(kills):
        async with nursery.serving(tmp_path) as server:
            if run is None:
                run = await new_run(server, pace=500)
            else:
                found = await server.run(run)
                steps = (await server.scalars(run))["step"]
                assert (found["status"], found["reason"]) == ("interrupted", "")
                assert steps == list(range(len(steps)))
                assert len(steps) >= max(step for at, step in seen if at <= killed_at - LOST)
                await server.resume(run)
            seen = seen[:1] or [(0.0, 0)]
            until = time.monotonic() + moments.uniform(0.3, 1.5)
            while (now := time.monotonic()) < until:
                seen.append((now, (await server.run(run))["step"]))
                await asyncio.sleep(0.02)
            killed_at = time.monotonic()
            await server.end(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(tmp_path / "descent.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    async with nursery.serving(tmp_path) as server:
        await assert_same_numbers(server, run)


async def test_runs_that_a_killed_server_trained_go_on_by_themselves_where_that_is_set(nursery, tmp_path):
    async with nursery.serving(tmp_path) as server:
        run = await new_run(server)
        await asyncio.sleep(1)
        await server.end(signal.SIGKILL)
    async with nursery.serving(tmp_path, "--autoresume=true") as server:
        assert (await server.run(run))["status"] == "running"
        await server.ask("POST", f"/api/runs/{run}/stop")
        steps = (await server.scalars(run))["step"]
        assert steps == list(range(len(steps)))


async def test_a_second_server_on_the_same_store_is_refused(nursery, store_url, tmp_path):
    options = (f"--home={tmp_path}", f"--database-url={store_url}")
    first = Store(store_url, tmp_path)
    said, code = nursery.refused(*options)
    assert code == 1
    assert "another Descent uses the store" in said
    assert "Traceback" not in said
    first.close()
    async with nursery.serving(tmp_path, *options) as server:
        assert await server.ask("GET", "/api/runs") == []
        with pytest.raises(StoreInUse):
            Store(store_url, tmp_path)


async def test_a_store_written_by_a_newer_version_is_refused(nursery, store_url, tmp_path):
    async with nursery.serving(tmp_path, f"--database-url={store_url}"):
        pass
    url = make_url(store_url)
    engine = create_engine(
        url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    )
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE meta SET value = '7.3' WHERE key = 'version'"))
    engine.dispose()
    said, code = nursery.refused(f"--home={tmp_path}", f"--database-url={store_url}")
    assert code == 1
    assert f"was written by Descent 7.3 (schema 9999); this is Descent {__version__}" in said
    assert "Traceback" not in said
