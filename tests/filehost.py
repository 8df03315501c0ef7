"""A server on loopback with data sets made for tests, which it serves well or badly, and their catalogue."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import random
import socket
import tarfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from descent.datasets.catalogue import DataSet, File
from descent.kit.data.sets import FILES

TEXT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 5000
CIFAR = {name: bytes([k]) + bytes(3072) for k, name in enumerate(FILES["cifar-10"])}


def idx(*shape: int) -> bytes:
    head = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    count = 1
    for size in shape:
        count *= size
    random_bytes = random.Random(0).randbytes(count)  # pictures that do not shrink
    return head + (random_bytes if len(shape) > 1 else bytes(k % 10 for k in range(count)))


IDX = dict(zip(FILES["mnist"], (idx(20, 28, 28), idx(20), idx(10, 28, 28), idx(10)), strict=True))


def tarred(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


Answer = Callable[["Handler", bytes], None]  # a way of serving a file's bytes


class Handler(BaseHTTPRequestHandler):
    """Serves `files` by path; `answers` are used up first, one per request, and may be rude."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]
    answers: list[Answer]
    asked: list[tuple[str, str]]  # path and Range of each request

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Range", "")))
        data = self.files.get(self.path)
        if data is None:
            self.send(404, b"no such file")
        elif self.answers:
            self.answers.pop(0)(self, data)
        else:
            well(self, data)

    def send(self, status: int, body: bytes, **headers: Any) -> None:
        self.send_response(status)
        given = {"Content-Length": len(body)} | {k.replace("_", "-"): v for k, v in headers.items()}
        for name, value in given.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def well(handler: Handler, data: bytes) -> None:
    """The file, or the rest of it that is asked for."""
    asked = handler.headers.get("Range")
    if not asked:
        handler.send(200, data)
        return
    begin = int(asked.removeprefix("bytes=").partition("-")[0])
    handler.send(206, data[begin:], Content_Range=f"bytes {begin}-{len(data) - 1}/{len(data)}")


def breaking(handler: Handler, data: bytes) -> None:
    """A third of what is asked for, and the line breaks."""
    begin = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
    ends = {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
    rest = data[begin:]
    handler.send(206 if begin else 200, rest[: len(rest) // 3], Content_Length=len(rest), **ends)
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def deaf_to_ranges(handler: Handler, data: bytes) -> None:
    handler.send(200, data)


def longer(handler: Handler, data: bytes) -> None:
    """No length, and more than there should be."""
    handler.send(200, data + b"x" * 100, Content_Length=None, Connection="close")
    handler.close_connection = True


def of_another_length(handler: Handler, data: bytes) -> None:
    handler.send(200, data[:-1])


def of_other_bytes(handler: Handler, data: bytes) -> None:
    handler.send(200, bytes(len(data)))


def leading_to(place: str) -> Answer:
    return lambda handler, data: handler.send(302, b"", Location=place)


def of_another_part(handler: Handler, data: bytes) -> None:
    handler.send(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}")


class Web:
    """The server, what it serves, and the catalogue of that."""

    def __init__(self) -> None:
        self.handler = type("Served", (Handler,), {"files": {}, "answers": [], "asked": []})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        members = {f"cifar-10-batches-bin/{name}": data for name, data in CIFAR.items()}
        readme = {"cifar-10-batches-bin/readme.html": b"hello"}
        self.catalogue = {
            "tiny-shakespeare": self.of("tiny-shakespeare", self.file("input.txt", TEXT)),
            "mnist": self.of(
                "mnist",
                *(self.file(f"{name}.gz", gzip.compress(data), {name: data}) for name, data in IDX.items()),
            ),
            "cifar-10": self.of(
                "cifar-10", self.file("cifar-10-binary.tar.gz", tarred(members | readme), members)
            ),
        }

    def file(self, name: str, data: bytes, holds: Mapping[str, bytes] = {}) -> File:
        self.handler.files[f"/{name}"] = data
        digest = hashlib.sha256(data).hexdigest()
        sizes = {path: len(inside) for path, inside in holds.items()}
        return File(name, f"{self.url}/{name}", len(data), f"sha256:{digest}", sizes)

    def of(self, name: str, *files: File) -> DataSet:
        return DataSet(name, files, "MIT", "Somebody (2000).", "https://example.org")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Tap:
    """Serves a thousand bytes at once, then a byte now and then, and the rest when it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, handler: Handler, data: bytes) -> None:
        assert len(data) > 2000, "it would be over at once"
        sent = 1000
        handler.send(200, data[:sent], Content_Length=len(data))
        with contextlib.suppress(OSError):
            while sent < len(data) and not self.opened.wait(0.02):
                handler.wfile.write(data[sent : sent + 1])
                sent += 1
            handler.wfile.write(data[sent:])
