"""A whole class on one server: many viewers of a run, clients that never read, thirty learners on two slots.

watching   so many viewers of one or two panels at ten pictures a second: training's steps per second to those
           with one viewer, before and after; how old a picture is when it comes; what of the server's memory
           a viewer takes
deaf       clients that ask for pictures and read nothing, beside one that does
turns      learners with a run each on two slots: how much longer than its place in turn somebody waits, and
           whether one more who starts fifty runs changes that
entering   everybody comes by one link at once, and opens the gallery

Each is on a server of its own. The clients share the cores with it, which those of a class do not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from served import crowd
from served.people import Refused, Somebody

PANELS = ["decision_map", "network"]
SPEED, AGE, PER_VIEWER = 0.9, 0.25, 150  # ratio, seconds, KB
LATE = 2.0  # turns
ENTERED = 5.0  # seconds
STAMPS = "came.txt"
SLOTS = 2
UNDISTURBED = 1.25  # of the wait, while one has fifty runs


class Stamped:
    """What a worker says, with a note of when each picture came out of its pipe."""

    def __init__(self, outputs: Connection, stamps: Path) -> None:
        self._outputs = outputs
        self._stamps = stamps.open("a", buffering=1)

    def recv(self) -> Any:
        """The next message."""
        said = self._outputs.recv()
        if type(said).__name__ == "PanelFrame":
            self._stamps.write(f"{said.seq} {time.monotonic()}\n")
        return said

    def __enter__(self) -> Stamped:
        return self

    def __exit__(self, *error: object) -> None:
        self._outputs.close()
        self._stamps.close()


async def serve(home: Path, settings: dict[str, Any]) -> None:
    """A server as `descent serve` starts one, that notes when pictures come."""
    from descent.cli.main import TURN
    from descent.settings import Settings
    from descent.web.app import create_server
    from descent.workers.process import LocalExecutor

    class Noting(LocalExecutor):
        def _spawn(self, spec: Any) -> Any:
            process, outputs, commands = super()._spawn(spec)
            return process, Stamped(outputs, home / STAMPS), commands

    server = create_server(Settings(home=home, idle_pause=0, **settings), executor=Noting)
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sys.setswitchinterval(TURN)
    gc.freeze()
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.05)
    print(listening.getsockname()[1], flush=True)
    await serving


class Server:
    """That server, seen from outside."""

    def __init__(self, home: Path, port: int, pid: int) -> None:
        self.home, self.port, self.pid = home, port, pid

    def memory(self, of: str = "VmRSS") -> float:
        """KB; `VmHWM` is the most there was."""
        found = re.search(rf"{of}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1.024

    def forget_peak(self) -> None:
        """Let `VmHWM` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def used(self) -> float:
        """Seconds of a core that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stamps(self) -> dict[int, float]:
        """When each picture came, by `seq`."""
        return {
            int(seq): float(at) for seq, at in map(str.split, (self.home / STAMPS).read_text().splitlines())
        }


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[Server]:
    """A server with these settings."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, __file__, "--serve", home, json.dumps(settings)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                yield Server(Path(home), int(process.stdout.readline()), process.pid)
            finally:
                process.terminate()


class Crowd:
    """Viewers in a process of their own; see `served/crowd.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, server: Server, run: str, number: int, *options: str) -> AsyncIterator[Crowd]:
        """So many viewers of a run, all let in."""
        command = [sys.executable, crowd.__file__, str(server.port), run, str(number), *PANELS, *options]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 28)
        assert process.stdout
        try:
            assert await process.stdout.readline() == b"ready\n"
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def measure(self) -> None:
        """Count from now on."""
        assert self._process.stdin
        self._process.stdin.write(b"measure\n")

    async def stop(self) -> dict[str, Any]:
        """What it counted."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"stop\n")
        return dict(json.loads(await self._process.stdout.readline()))


async def training(asking: Somebody) -> str:
    """The id of a new run that takes steps."""
    run = (await asking.ask("POST", "/api/runs", {"experiment": "neural-playground"}))["id"]
    while not (await asking.ask("GET", f"/api/runs/{run}"))["step"]:
        await asyncio.sleep(0.2)
    return str(run)


async def speed(asking: Somebody, run: str, seconds: float) -> float:
    """Steps per second of a run."""
    seen = []
    for wait in (seconds, 0.0):
        step = (await asking.ask("GET", f"/api/runs/{run}"))["step"]
        seen.append((step, time.perf_counter()))
        await asyncio.sleep(wait)
    (first, begin), (last, end) = seen
    return (last - first) / (end - begin)


async def watching(options: argparse.Namespace) -> bool:
    """Many viewers of one run."""
    number, seconds = options.viewers, options.seconds
    limits = {"viewers": 9999, "viewers_per_run": 9999, "connections": 9999}
    with serving(**limits) as server:
        asking = Somebody(server.port)
        run = await training(asking)

        async def with_viewers(many: int) -> tuple[float, float, float, dict[str, Any]]:
            async with Crowd.of(server, run, many) as crowd:
                await asyncio.sleep(2)
                crowd.measure()
                used, begin = server.used(), time.perf_counter()
                rate = await speed(asking, run, seconds)
                used = (server.used() - used) / (time.perf_counter() - begin)
                return rate, server.memory(), used, await crowd.stop()

        await with_viewers(1)  # warm
        rates: dict[int, list[float]] = defaultdict(list)
        memory: dict[int, float] = {}
        all_ages: list[float] = []
        for many in (1, number) * 3 + (1,):
            rate, memory_, used, said = await with_viewers(many)
            rates[many].append(rate)
            memory.setdefault(many, memory_)
            came = server.stamps()
            ages = [at - came[seq] for seq, at in said["came"] if seq in came]
            age = statistics.quantiles(ages, n=20) if len(ages) > 1 else [float("nan")] * 19
            each = statistics.median(said["pictures"]) / seconds
            print(
                f"{many:5} viewers: {rate:7,.0f} steps/s  server {100 * used:3.0f} % of a core  "
                f"age median {1000 * age[9]:5.0f} p95 {1000 * age[18]:5.0f} ms  "
                f"{each:4.1f} pictures/s each  {memory_ / 1000:6.0f} MB  {said['lost']} lost",
                flush=True,
            )
            if many == number:
                all_ages += ages
        p95 = statistics.quantiles(all_ages, n=20)[18]
        ratio = statistics.mean(rates[number]) / statistics.mean(rates[1])
        per_viewer = (memory[number] - memory[1]) / (number - 1)
        asking.leave()
    return all([
        told(f"steps/s with {number} viewers to one", ratio, ">=", SPEED),
        told("a picture's age, 95th percentile, s", p95, "<=", AGE),
        told("memory of a viewer, KB", per_viewer, "<=", PER_VIEWER),
    ])  # fmt: skip


async def deaf(options: argparse.Namespace) -> bool:
    """Clients that never read, beside one viewer."""
    with serving(viewers=9999, viewers_per_run=9999, connections=9999) as server:
        asking = Somebody(server.port)
        run = await training(asking)
        async with Crowd.of(server, run, 1):
            await speed(asking, run, 3)  # warm
            before = await speed(asking, run, options.seconds)
            server.forget_peak()
            memory = server.memory()
            async with Crowd.of(server, run, options.deaf, "--deaf"):
                meanwhile = await speed(asking, run, options.seconds)
            after = await speed(asking, run, options.seconds)
            peak = (server.memory("VmHWM") - memory) / options.deaf
        asking.leave()
    print(f"{before:,.0f}, with {options.deaf} that never read {meanwhile:,.0f}, then {after:,.0f} steps/s")
    return all([
        told("steps/s beside clients that never read", 2 * meanwhile / (before + after), ">=", SPEED),
        told("most memory of one of them, KB", peak, "<=", 1000),
    ])  # fmt: skip


async def turns(options: argparse.Namespace) -> bool:
    """Learners with a run each, and one more who has fifty."""
    turn, many = options.turn, options.learners
    limits = {"max_running": SLOTS, "turn": turn, "max_live": 200, "live_each": 60}
    with serving(trusted_proxies="192.0.2.1", **limits) as server:
        learners, teacher = await everybody(server, many)

        async def begin(who: Somebody) -> str:
            made = await who.ask("POST", "/api/runs", {"experiment": "descent-2d"})
            return str(made["owner"])

        owners = [await begin(one) for one in learners]
        while not any(run["step"] for run in await teacher.ask("GET", "/api/runs?limit=200")):
            await asyncio.sleep(0.2)
        rounds = (many / SLOTS) * turn
        alone = await waits(teacher, owners, 2.5 * rounds)
        greedy = Somebody(server.port)
        await greedy.come(learner_key(server), "greedy")
        for _ in range(options.greedy):
            await begin(greedy)
        beside = await waits(teacher, owners, 2.5 * (rounds + turn))
        for one in (*learners, teacher, greedy):
            one.leave()
    place = (many / SLOTS - 1) * turn  # of somebody whose turn has just ended
    late = max(alone) - place
    slower = statistics.median(beside) / statistics.median(alone)
    print(
        f"{many} learners, turns of {turn:g} s: {len(alone)} waits, median {statistics.median(alone):.1f} s, "
        f"longest {max(alone):.1f} s (their place: {place:.1f} s); beside one with {options.greedy} runs "
        f"{len(beside)} waits, median {statistics.median(beside):.1f} s, longest {max(beside):.1f} s"
    )
    return all([
        told("turns that somebody waits beyond their place", late / turn, "<=", LATE),
        told("the same beside one with fifty runs", (max(beside) - place) / turn - 1 / SLOTS, "<=", LATE),
        told("their median wait beside that one to before", slower, "<=", UNDISTURBED),
    ])  # fmt: skip


async def waits(teacher: Somebody, owners: list[str], seconds: float) -> list[float]:
    """Seconds between each end of somebody's turn and the begin of their next."""
    since: dict[str, float] = {}
    trained: set[str] = set()
    found: list[float] = []
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        runs = await teacher.ask("GET", "/api/runs?limit=200")
        training = {run["owner"] for run in runs if run["status"] == "running"}
        for owner in owners:
            if owner in training:
                trained.add(owner)
                if owner in since:
                    found.append(now - since.pop(owner))
            elif owner in trained:
                since.setdefault(owner, now)
        await asyncio.sleep(0.1)
    now = time.monotonic()
    never = [seconds for owner in owners if owner not in trained]
    return found + never + [now - at for at in since.values() if now - at > max(found, default=0)]


async def entering(options: argparse.Namespace) -> bool:
    """Everybody comes by one link, at once, and opens the gallery."""
    with serving(trusted_proxies="192.0.2.1") as server:
        key = learner_key(server)
        await Somebody(server.port).ask("GET", "/api/health")

        async def come(number: int) -> float:
            begin = time.perf_counter()
            one = Somebody(server.port)
            await one.ask("GET", "/")
            await one.come(key, f"learner {number}")
            for path in ("/api/me", "/api/gallery", "/api/runs"):
                with contextlib.suppress(Refused):
                    await one.ask("GET", path)
            one.leave()
            return time.perf_counter() - begin

        took = await asyncio.gather(*map(come, range(options.people)))
    return told(f"{options.people} people are in, s", max(took), "<=", ENTERED)


def learner_key(server: Server, role: str = "learner") -> str:
    """A link's key."""
    from descent.access import Book

    with contextlib.closing(Book(server.home)) as book:
        return book.new_key(role)[1]  # type: ignore[arg-type]


async def everybody(server: Server, many: int) -> tuple[list[Somebody], Somebody]:
    """So many learners who have come in, and the teacher."""
    key = learner_key(server)
    learners = [Somebody(server.port) for _ in range(many)]
    for number, one in enumerate(learners):
        await one.come(key, f"learner {number}")
    teacher = Somebody(server.port)
    await teacher.come(learner_key(server, "teacher"), "teacher")
    return learners, teacher


def told(what: str, value: float, relation: str, target: float) -> bool:
    """Print a figure; whether it is as it should be."""
    good = value >= target if relation == ">=" else value <= target
    print(f"{what:52} {value:9.2f}   target {relation} {target:g}{'' if good else '   MISSED'}", flush=True)
    return good


PARTS = {"watching": watching, "deaf": deaf, "turns": turns, "entering": entering}


def main() -> None:
    """Measure, and end with an error where a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, nargs="*", default=list(PARTS))
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement of steps/s")
    parser.add_argument("--deaf", type=int, default=100)
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("--greedy", type=int, default=50, help="runs of the one more")
    parser.add_argument(
        "--turn", type=float, default=2, help="seconds of a turn; a server's are 20 by default"
    )
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(Path(options.serve[0]), json.loads(options.serve[1])))
        return
    print(f"load {', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} cores", flush=True)
    good = [asyncio.run(PARTS[part](options)) for part in options.part]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
