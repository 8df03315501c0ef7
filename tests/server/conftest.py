"""Servers to test against: the app in this process with a tiny experiment, or a real one in its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import postgres
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from descent.datasets.catalogue import CATALOGUE, DataSet
from descent.runs import manager
from descent.settings import Settings
from descent.web import app
from tiny import REGISTRY, ThreadExecutor


@pytest.fixture
def tiny_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of an app in a folder of its own."""
    return lambda **settings: Settings(**{"home": tmp_path, **settings})


@pytest.fixture
def tiny_app(tiny_settings: Callable[..., Settings]) -> Callable[..., FastAPI]:
    """Makes an app with these settings, whose only experiment is `tiny`, and whose runs train in threads."""
    return lambda **settings: app.create_app(
        tiny_settings(**settings), registry=REGISTRY, executor=ThreadExecutor
    )


class LiveServers:
    """Call it with settings to start a server of the tiny app in a thread; returns its address."""

    def __init__(self, settings: Callable[..., Settings]) -> None:
        self._settings = settings
        self._running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def __call__(
        self, catalogue: Mapping[str, DataSet] = CATALOGUE, *, on: int = 0, **settings: object
    ) -> str:
        """`on`: the port; 0 takes a free one."""
        server = app.create_server(
            self._settings(**settings), registry=REGISTRY, executor=ThreadExecutor, catalogue=catalogue
        )
        listening = socket.create_server(("127.0.0.1", on))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        self._running.append((server, thread, listening))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    @property
    def server(self) -> uvicorn.Server:
        """The last one."""
        return self._running[-1][0]

    @property
    def manager(self) -> manager.RunManager:
        """Its runs; the server's thread has them."""
        found: manager.RunManager = self.server.config.app.state.manager  # type: ignore[union-attr]
        return found

    def stop(self) -> None:
        """Ask all servers to stop."""
        for server, _, _ in self._running:
            server.should_exit = True

    def join(self) -> None:
        """Wait until they have."""
        for _, thread, listening in self._running:
            thread.join(20)
            listening.close()
            assert not thread.is_alive()


@pytest.fixture
def live_server(tiny_settings: Callable[..., Settings]) -> Iterator[LiveServers]:
    servers = LiveServers(tiny_settings)
    yield servers
    servers.stop()
    servers.join()


@dataclass
class Server:
    """A running `descent serve`. `url` has no slash at its end."""

    process: subprocess.Popen[str]
    url: str
    output: str = ""

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws")

    def stop(self, sign: signal.Signals = signal.SIGINT) -> str:
        """Ask it to stop, as Ctrl+C does, and wait until it has; what it wrote since it began."""
        if not self.output:
            self.process.send_signal(sign)
            self.output = "stopped: " + self.process.communicate(timeout=60)[0]
        return self.output


@contextlib.contextmanager
def serving(home: Path, *options: str) -> Iterator[Server]:
    """A `descent serve` with its own store on a free port."""
    command = [sys.executable, "-m", "descent", "serve", "--port=0", f"--home={home}", "--max-running=4"]
    command += options
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://localhost:(\d+)/", line)
        assert address, line
        server = Server(process, f"http://127.0.0.1:{address[1]}")
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of all tests that leave it running."""
    with serving(tmp_path_factory.mktemp("home")) as server:
        yield server
        assert "Traceback" not in server.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may end."""
    with serving(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Call it for the address of an empty database in a real PostgreSQL server: a schema of its own there."""
    programs = postgres.programs()
    if programs is None:
        assert os.environ.get("DESCENT_TEST_ALL") != "1", "there is no PostgreSQL on this machine"
        pytest.skip("there is no PostgreSQL on this machine")
    with postgres.running(programs) as address:
        url = make_url(address).set(database="postgres")
        engine = create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
        numbers = itertools.count(1)

        def new() -> str:
            name = f"test_{next(numbers)}"
            with engine.begin() as connection:
                connection.execute(text(f"CREATE SCHEMA {name}"))
            return str(url.update_query_dict({"options": f"-csearch_path={name}"}))

        yield new


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'descent.db'}"
    return str(request.getfixturevalue("new_database")())
