"""A guarded server behind a real nginx and a real Caddy, with TLS and the very examples of the docs."""

from __future__ import annotations

import itertools
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from conftest import serving
from descent import wire
from descent.web import door
from descent.web.door import SECURE_COOKIE
from proxies import caddy, free, nginx, program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="clients come from 127.0.0.2 and further"),
]

LARGE = 12 << 20  # bytes; nginx takes 1 MiB where it is told nothing
addresses = (f"127.0.0.{i}" for i in itertools.count(2))


@dataclass
class Behind:
    """A server as browsers find it behind a proxy, and as only the proxy should."""

    name: str
    port: int
    prefix: str
    trust: ssl.SSLContext
    direct: str
    link: Callable[[str], str]

    @property
    def host(self) -> str:
        return f"{self.name}:{self.port}"

    @contextmanager
    def browser(self, **headers: str) -> Iterator[httpx.Client]:
        """A client of its own address: the proxy's is trusted, so no client can have that one."""
        with httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}{self.prefix}",
            headers={"Host": self.host, "Origin": f"https://{self.host}", **headers},
            transport=httpx.HTTPTransport(verify=self.trust, local_address=next(addresses)),
            event_hooks={"request": [lambda asked: asked.extensions.update(sni_hostname=self.name)]},
            timeout=60,
        ) as client:
            yield client

    def enter(self, client: httpx.Client, role: str = "learner") -> httpx.Response:
        """Come in by a link."""
        key = self.link(role).partition("#")[2]
        answer = client.post("/api/enter", json={"key": key, "name": "Mina"})
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture(scope="module", params=["nginx", pytest.param("caddy", marks=pytest.mark.thorough)])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    start, name, prefix = {
        "nginx": (nginx, "lab.example", "/descent"),
        "caddy": (caddy, "lab.localhost", ""),
    }[request.param]
    program(request.param)
    folder, home = tmp_path_factory.mktemp("proxy"), tmp_path_factory.mktemp("home")
    port = free()
    settings = {"trusted-proxies": "127.0.0.1", "allowed-hosts": f"{name}:{port}", "root-path": prefix}

    @cache
    def link(role: str) -> str:
        """As whoever runs the server makes one in the terminal."""
        environment = {f"DESCENT_{key.replace('-', '_').upper()}": value for key, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "descent", "access", "new", "--role", role, f"--home={home}"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        ).stdout.strip()

    options = [f"--{key}={value}" for key, value in settings.items() if value]
    with serving(home, *options) as server, start(folder, int(server.url.rpartition(":")[2]), port) as root:
        until = time.monotonic() + 30
        while not root.exists():  # Caddy makes it while it starts
            assert time.monotonic() < until
            time.sleep(0.05)
        yield Behind(name, port, prefix, ssl.create_default_context(cafile=root), server.url, link)


def test_one_comes_in_by_a_link_and_the_cookie_is_one_of_tls(behind: Behind) -> None:
    assert behind.link("viewer").startswith(f"https://{behind.host}{behind.prefix}/enter#")
    with behind.browser() as client:
        assert client.get("/api/runs").status_code == 401
        said = behind.enter(client).headers["set-cookie"]
        assert said.startswith(f"{SECURE_COOKIE}=")
        assert "; Secure" in said
        assert f"; Path={behind.prefix}/;" in said
        assert client.get("/api/me").json()["role"] == "learner"
        cookie = f"{SECURE_COOKIE}={client.cookies[SECURE_COOKIE]}"
    assert httpx.get(f"{behind.direct}/api/me", headers={"Cookie": cookie}).json()["role"] is None


def test_the_page_comes_with_its_files(behind: Behind) -> None:
    with behind.browser(Accept="text/html") as client:
        page = client.get("/lab/linear-regression")
        assert page.status_code == 200
        assert f'<meta name="base" content="{behind.prefix}" />' in page.text
        files = re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg))"', page.text)
        assert len(files) > 2
        for file in files:
            answer = client.get(file.removeprefix(behind.prefix))
            assert answer.status_code == 200, file
            assert "text/html" not in answer.headers["content-type"]


def test_frames_of_a_run_come_while_it_trains(behind: Behind) -> None:
    with behind.browser() as client:
        behind.enter(client, "teacher")
        started = client.post("/api/runs", json={"experiment": "linear-regression"})
        assert started.status_code == 201, started.text
        run = started.json()["id"]
        cookie = f"{SECURE_COOKIE}={client.cookies[SECURE_COOKIE]}"
        steps: list[int] = []
        with connect(
            f"wss://{behind.host}{behind.prefix}/api/runs/{run}/stream",
            sock=socket.create_connection(("127.0.0.1", behind.port), source_address=(next(addresses), 0)),
            ssl=behind.trust,
            origin=f"https://{behind.host}",  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
        ) as stream:
            while len(steps) < 200:
                message = stream.recv(timeout=60)
                if isinstance(message, bytes) and "step" in (arrays := wire.decode(message).arrays):
                    steps += arrays["step"].tolist()
        assert steps == list(range(len(steps)))
        assert client.delete(f"/api/runs/{run}").status_code == 204


def test_a_large_file_passes(behind: Behind) -> None:
    line = "down the rabbit hole, said the cat, and never once looked back.\n"
    text = (line * (LARGE // len(line) + 1)).encode()[:LARGE]
    with behind.browser() as client:
        behind.enter(client)
        answer = client.post("/api/files", params={"name": "long.txt", "kind": "text"}, content=text)
        assert answer.status_code == 201, answer.text
        assert answer.json()["size"] == LARGE


def test_what_a_browser_forges_is_not_believed(behind: Behind) -> None:
    forged = {
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-For": "127.0.0.1",
    }
    with behind.browser(**forged) as client:
        said = behind.enter(client).headers["set-cookie"]
        assert said.startswith(f"{SECURE_COOKIE}=")
        assert f"; Path={behind.prefix}/;" in said
        assert "/evil" not in client.get("/", headers={"Accept": "text/html"}).text


def test_wrong_keys_are_counted_by_where_they_come_from_whatever_is_forged(behind: Behind) -> None:
    def wrong(client: httpx.Client, told: Any) -> int:
        return client.post(
            "/api/enter", json={"key": "wrong"}, headers={"X-Forwarded-For": f"198.51.100.{told}"}
        ).status_code

    tries = door.PER_ADDRESS.amount
    with behind.browser() as client, behind.browser() as other:
        assert [wrong(client, i) for i in range(tries)] == [401] * tries
        assert wrong(client, tries) == 429
        assert wrong(other, 0) == 401


def test_other_names_and_other_pages_are_refused(behind: Behind) -> None:
    with behind.browser() as client:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": f"http://{behind.host}"}):
            assert client.post("/api/enter", json={"key": "x"}, headers=headers).status_code == 403
    with behind.browser(Host="evil.example") as client:
        assert "Descent" not in client.get("/").text
