"""How soon a server answers while viewers do their worst, and what they cost it.

A run of 2.4 million steps in 60,000 messages on its tape is read, left (FIN), torn off (RST), and asked for
by 500 sockets that never read; then its scalars are asked for as tables; then a training run is watched by
ever more viewers. Meanwhile `GET /api/health` is asked every 10 ms: 95 % of the answers within 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

TARGET = 0.050  # seconds
MESSAGES, STEPS = 60_000, 40


async def serve(home: str) -> None:
    """A server that allows as many viewers as there are, and has a run with a long history."""
    from descent import wire
    from descent.cli.main import TURN
    from descent.settings import Settings
    from descent.web.app import create_server

    limits = {"viewers": 9999, "viewers_per_run": 9999, "connections": 9999, "tape_mb": 1024}
    server = create_server(Settings(home=Path(home), idle_pause=0, record=False, **limits))
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `descent serve` does, and the rest:
    sys.setswitchinterval(TURN)
    gc.freeze()
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.05)
    manager = server.config.app.state.manager  # type: ignore[union-attr]
    run = manager.create("neural-playground", {}, paused=True)
    await run.ready.wait()
    first = run.channel.last_seq + 1
    for seq in range(first, first + MESSAGES):
        steps = np.arange(STEPS) + STEPS * (seq - first)
        columns = {name: np.random.rand(STEPS).astype(np.float32) for name in ("a", "b", "c", "d")}
        run.channel.tape.append(seq, wire.encode_columns(run.id, seq, steps, columns), binary=True)
    print(f"{listening.getsockname()[1]} {run.id}", flush=True)
    await serving


class Server:
    """That server, seen from outside."""

    def __init__(self, port: int, run: str, pid: int) -> None:
        self.port, self.run, self.pid = port, run, pid

    def memory(self, of: str = "VmRSS") -> float:
        """MB; `VmHWM` is the most there was."""
        found = re.search(rf"{of}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) / 1000

    def forget_peak(self) -> None:
        """Let `VmHWM` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    async def ask(self, path: str, method: str = "GET", body: str = "") -> bytes:
        """A request on a connection of its own; how long its answer is, or the answer if it is short."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = b""
        while data := await reader.read(1 << 20):
            answer = (answer + data)[:10_000]
        writer.close()
        return answer.partition(b"\r\n\r\n")[2]

    async def view(self, run: str, query: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A viewer that has been let in."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            f"GET /api/runs/{run}/stream{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")
        return reader, writer


def command(**fields: object) -> bytes:
    """A command as a client sends it."""
    text = json.dumps(fields).encode()
    return struct.pack("!BB", 0x81, 0x80 | len(text)) + bytes(4) + text


async def health(server: Server, attack: Callable[[], Awaitable[object]], least: float = 2.0) -> list[float]:
    """Seconds of each answer, while `attack` lasts and for `least` seconds at least."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    task = asyncio.ensure_future(attack())
    took: list[float] = []
    begin = time.perf_counter()
    while not task.done() or time.perf_counter() - begin < least:
        asked = time.perf_counter()
        writer.write(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))  # type: ignore[index]
        took.append(time.perf_counter() - asked)
        await asyncio.sleep(0.01)
    writer.close()
    await task
    return took


def tell(what: str, took: list[float], *more: str) -> bool:
    """Print a line; whether it is as it should be."""
    p95 = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    figures = [f"median {1000 * statistics.median(took):6.1f} ms", f"p95 {1000 * p95:6.1f} ms"]
    print(f"{what:44}", *figures, f"max {1000 * max(took):6.1f} ms", *more, sep="  ", flush=True)
    return p95 <= TARGET


async def all_of_it(server: Server, options: argparse.Namespace) -> bool:
    """Whether health was within its target under every attack."""
    good = options.only_viewers or await attacked(server)
    for number in options.viewers:
        await watched(server, number)
    return good


async def attacked(server: Server) -> bool:
    """Every attack, one after the other."""
    good = True

    async def nothing() -> None:
        await asyncio.sleep(2)

    async def read(query: str) -> None:
        reader, writer = await server.view(server.run, query)
        received, seconds = 0, 1.0
        while True:
            try:
                async with asyncio.timeout(seconds):
                    received += len(await reader.read(1 << 20))
            except TimeoutError:
                break
        writer.close()

    async def leave(torn: bool) -> None:
        for _ in range(20):
            _, writer = await server.view(server.run)
            if torn:
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                writer.transport.abort()
            else:
                writer.close()
            await asyncio.sleep(0.1)

    async def abandon() -> None:
        deaf = []
        for _ in range(500):
            _, writer = await server.view(server.run)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            deaf.append(writer)
        await asyncio.sleep(5)
        for writer in deaf:
            writer.transport.abort()

    good &= tell("nothing else", await health(server, nothing))
    good &= tell("60,000 messages read", await health(server, lambda: read("")))
    good &= tell("the same as a curve of 65,536 points", await health(server, lambda: read("?points=65536")))
    good &= tell("20 viewers leave it (FIN)", await health(server, lambda: leave(False)))
    good &= tell("20 are torn off (RST)", await health(server, lambda: leave(True)))
    good &= tell("500 sockets that never read, then gone", await health(server, abandon))
    path = f"/api/runs/{server.run}/scalars"
    for query in ("?format=json", "?format=csv", "?format=safetensors", "?points=2000"):
        server.forget_peak()
        before, begin = server.memory(), time.perf_counter()
        took = await health(server, lambda query=query: server.ask(path + query), 0)  # type: ignore[misc]
        seconds = time.perf_counter() - begin
        memory = f"{before:.0f} → {server.memory('VmHWM'):.0f} → {server.memory():.0f} MB"
        good &= tell(f"GET /scalars{query}", took, memory, f"{seconds:.1f} s")
    server.forget_peak()
    before = server.memory()
    took = await health(server, lambda: asyncio.gather(*(server.ask(path) for _ in range(6))), 0)
    memory = f"{before:.0f} → {server.memory('VmHWM'):.0f} → {server.memory():.0f} MB"
    good &= tell("six at once", took, memory)
    return good


async def watched(server: Server, number: int) -> None:
    """A training run with so many viewers of two panels. Its figures have no target: they share the cores."""
    made = json.loads(await server.ask("/api/runs", "POST", '{"experiment": "neural-playground"}'))
    watch = command(type="watch", panels=["decision_map", "network"], max_fps=30)
    opened = []

    async def drain(reader: asyncio.StreamReader) -> None:
        while await reader.read(1 << 20):
            pass

    for _ in range(number):
        reader, writer = await server.view(made["id"], "?points=65536")
        writer.write(watch)
        opened.append((asyncio.create_task(drain(reader)), writer))
    steps: list[int] = []

    async def train() -> None:
        for _ in range(2):
            steps.append(json.loads(await server.ask(f"/api/runs/{made['id']}"))["step"])
            await asyncio.sleep(5 * (len(steps) < 2))

    took = await health(server, train)
    rate = (steps[1] - steps[0]) / 5
    tell(f"{number} viewers of a run", took, f"{rate:,.0f} steps/s", f"{server.memory():.0f} MB")
    for task, writer in opened:
        task.cancel()
        writer.transport.abort()
    await server.ask(f"/api/runs/{made['id']}", "DELETE")


def main() -> None:
    """Measure, and end with an error where health took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="*", default=[1, 200, 500, 1000])
    parser.add_argument("--only-viewers", action="store_true", help="leave the attacks out")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        again = [sys.executable, __file__, "--serve", home]
        with subprocess.Popen(again, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdout
            port, run = process.stdout.readline().split()
            try:
                good = asyncio.run(all_of_it(Server(int(port), run, process.pid), options))
            finally:
                process.terminate()
        print(f"the server's log has {log.seek(0, 2)} bytes")
    sys.exit(not good)


if __name__ == "__main__":
    main()
