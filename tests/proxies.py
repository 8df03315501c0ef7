"""A real nginx and a real Caddy on loopback, with the examples that the docs have."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "deploy"
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])


def program(name: str) -> str:
    found = shutil.which(name, path=PLACES)
    if found is None:
        assert os.environ.get("DESCENT_TEST_ALL") != "1", f"there is no {name} on this machine"
        pytest.skip(f"there is no {name} on this machine")
    return found


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def example(name: str, **instead: str) -> str:
    """An example of the docs, with other places in it."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for one, other in instead.items():
        assert one in text, one
        text = text.replace(one, other)
    return text


@contextmanager
def nginx(folder: Path, server: int, port: int) -> Iterator[Path]:
    """A running nginx with the example; the certificate to trust."""
    certificate, key = folder / "lab.pem", folder / "lab.key"
    made = [program("openssl"), "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2"]
    made += ["-subj", "/CN=lab.example", "-addext", "subjectAltName=DNS:lab.example"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    places = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/certs/lab.example.pem": str(certificate),
        "/etc/ssl/private/lab.example.key": str(key),
        "http://127.0.0.1:8000": f"http://127.0.0.1:{server}",
    }
    (folder / "descent.conf").write_text(example("nginx.conf", **places))
    (folder / "tmp").mkdir()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    kept = "".join(f"{kind}_temp_path {folder}/tmp/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""  # another one may not read the test's folder
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{kept}include {folder}/descent.conf;\n}}\n"
    )
    with running([program("nginx"), "-e", "stderr", "-c", str(folder / "nginx.conf")], port):
        yield certificate


@contextmanager
def caddy(folder: Path, server: int, port: int) -> Iterator[Path]:
    """A running Caddy with the example; the certificate to trust, of Caddy's own authority."""
    quiet = f"{{\nadmin off\nskip_install_trust\nhttp_port {free()}\n}}\n"
    (folder / "Caddyfile").write_text(quiet + example("Caddyfile"))
    environment = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "kept"),
        "DOMAIN": f"lab.localhost:{port}",
        "UPSTREAM": f"127.0.0.1:{server}",
    }
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with running(command, port, **environment):
        yield folder / "kept" / "caddy" / "pki" / "authorities" / "local" / "root.crt"


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[None]:
    """The program, from when it listens."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(process.stdout or ()))
        reader.start()
        try:
            until = time.monotonic() + 30
            while True:
                assert process.poll() is None, "".join(said)
                assert time.monotonic() < until, "".join(said)
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            reader.join(20)
