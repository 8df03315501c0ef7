"""What `descent.watch` costs a script's training loop.

    python bench/watch_overhead.py

Trains the same model in turns of a bare loop and of one with `run.step(loss=loss)`: without a server, with
one that nobody looks at, and with a page's viewer (in a process of its own) that looks at every panel.
Prints the microseconds that a step takes longer and the ratio of bare to watched time, for an MLP of two
layers and for a ResNet-18 on 32 × 32 pictures. Exits with an error where a target is missed: unwatched at
most 1 % or 20 µs more, watched at most 5 %. Time is that which all threads of the script have the CPU for, so
that what else the machine does counts little. Looks are granted a share of all time: while somebody looks,
turns are long, and the begin of each, which spends what the bare turn before has saved, does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.request import urlopen

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import descent
from descent.watching.run import WatchedRun
from served import Run, served

TURNS = 30
LONG_TURNS, LONG, PASSED_OVER = 3, 4.0, 2.0  # while somebody looks; seconds
SETTLED = 2.0  # seconds until panels are asked for, and budgets known


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H / stride, W / stride)."""
        h = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(h)) + self.shortcut(x)).relu()


def resnet18() -> nn.Sequential:
    """ResNet-18 for pictures of 32 × 32: a first layer without stride and pooling."""
    widths = [64, 64, 128, 256, 512]
    blocks = [
        Block(widths[i] if first else widths[i + 1], widths[i + 1], 2 if first and i else 1)
        for i in range(4)
        for first in (True, False)
    ]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    return nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), *blocks, *head)


def mlp() -> nn.Sequential:
    """Two layers, 256 hidden units."""
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))


MODELS: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...], int]] = {
    "mlp": (mlp, (128, 64), 200),
    "resnet-18": (resnet18, (8, 3, 32, 32), 3),
}  # what makes it, a mini-batch's shape, steps a turn


async def _look(address: str, run: str) -> None:
    reader, writer = await asyncio.open_connection(*address.removeprefix("http://").split(":"))
    watched = Run(run, reader, writer, address)
    described = await watched.ask("GET", "experiment")
    panels = [panel["name"] for panel in described["panels"] if panel["kind"] != "scalars"]
    async with watched.view(panels) as viewer:
        print("looking", flush=True)
        async with viewer.reading():
            await asyncio.Event().wait()


def turn(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, n: int, run: WatchedRun | None
) -> float:
    """Seconds that a step takes."""
    y = torch.zeros(len(x), dtype=torch.long)
    begin = time.process_time()
    for _ in range(n):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if run is not None:
            run.step(loss=loss)
    return (time.process_time() - begin) / n


def long_turn(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, run: WatchedRun
) -> tuple[float, float]:
    """Seconds that a step takes bare and watched, the mean of long turns."""

    def of(one: WatchedRun | None, seconds: float) -> float:
        begin, taken = time.perf_counter(), []
        while time.perf_counter() - begin < seconds:
            taken.append(turn(model, optimizer, x, 1, one))
        return float(np.mean(taken))

    bare = of(None, LONG)
    of(run, PASSED_OVER)
    return bare, of(run, LONG)


def measure(name: str, how: str, address: str) -> tuple[float, float]:
    """Microseconds that a step takes longer, and bare ÷ watched."""
    make, shape, steps = MODELS[name]
    torch.manual_seed(0)
    model, x = make(), torch.randn(shape)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    run = descent.watch(model, optimizer, name=f"{name} {how}", url=address)
    looking = None
    begin = time.perf_counter()
    while time.perf_counter() - begin < SETTLED:
        turn(model, optimizer, x, 1, run)
    if how == "watched":
        id = json.load(urlopen(f"{address}/api/runs?limit=1"))[0]["id"]
        command = [sys.executable, __file__, "--look", address, id]
        looking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert looking.stdout is not None
        looking.stdout.readline()
        begin = time.perf_counter()
        while time.perf_counter() - begin < SETTLED:
            turn(model, optimizer, x, 1, run)
    if how == "watched":
        times = np.array([long_turn(model, optimizer, x, run) for _ in range(LONG_TURNS)])
    else:
        turns = range(TURNS)
        times = np.array([[turn(model, optimizer, x, steps, one) for one in (None, run)] for _ in turns])
    run.finish()
    if looking is not None:
        looking.terminate()
    bare, watched = np.median(times, 0) if how != "watched" else times.mean(0)  # looks come seldom, and count
    return 1e6 * (watched - bare), bare / watched


def main() -> int:
    """Measure, print, and say whether every target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, help="only this one")
    parser.add_argument("--look", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        asyncio.run(_look(*options.look))
    torch.set_num_threads(1)
    met = True
    with served() as address:
        nowhere = "http://127.0.0.1:9"
        for name in [options.model] if options.model else MODELS:
            for how, url in (("alone", nowhere), ("unwatched", address), ("watched", address)):
                longer, ratio = measure(name, how, url)
                ok = ratio >= 0.95 if how == "watched" else ratio >= 0.99 or longer <= 20
                met &= ok
                print(f"{name:10} {how:10} {longer:8.1f} µs a step longer, bare ÷ with it {ratio:.3f}"
                      f"{'' if ok else '   MISSED'}", flush=True)  # fmt: skip
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
