"""What a run of a day takes on disk and in memory, by a writer that is faster than any training.

The recorder, the tape and the store are the real ones; steps of four noisy scalars come as the engine hands
them on after 0.4 s at 9,000 steps/s. What is kept after 1, 2, 5, 10, … million steps is printed: it must stay
within TAPE_MB and SCALARS_MB, and grow no more once they are reached. 24 h are 778 million steps.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from descent import wire
from descent.registry import experiments
from descent.runs.channel import Channel
from descent.runs.history import History
from descent.runs.manager import RunManager
from descent.runs.recorder import Recorder
from descent.runs.run import Run
from descent.runs.table import Range, said
from descent.settings import Settings
from descent.web.app import open_store

RATE = 9000  # steps per second of the fastest experiment
AT_ONCE = 3600  # steps between two batches of the recorder
DAY = 24 * 3600 * RATE


def memory() -> float:
    """MB of this process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1000


async def soak(settings: Settings, steps: int) -> bool:
    """Write so many steps; whether all stays within the settings."""
    manager = RunManager(settings, None, open_store(settings))  # type: ignore[arg-type]
    history, recorder = manager.history, manager.recorder
    assert isinstance(history, History)
    assert isinstance(recorder, Recorder)
    entry = experiments()["neural-playground"]
    run = Run("soak", entry, {}, {}, {}, 0, "cpu", Channel(history.tape("soak")), status="running")
    recorder.begin(run)
    random = np.random.default_rng(0)
    looks = [number * 10**power for power in range(6, 10) for number in (1, 2, 5)]
    begin, good = time.perf_counter(), True
    print("million steps   hours   scalars MB   tape MB   database MB   rows   RSS MB   s", flush=True)
    for seq, first in enumerate(range(0, steps, AT_ONCE), 1):
        at = np.arange(first, first + AT_ONCE)
        level = 1 / np.sqrt(1 + at / 1000)
        columns = {
            name: (level + 0.05 * random.standard_normal(AT_ONCE)).astype(np.float32)
            for name in ("loss/train", "loss/test", "accuracy/train", "accuracy/test")
        }
        run.step = first + AT_ONCE
        run.channel.keep(seq, wire.encode_columns("soak", seq, at, columns), binary=True)
        recorder.changed(run)
        await recorder.flush()
        if looks and run.step >= looks[0]:
            looks.pop(0)
            assert run.recorded is not None
            size, tape = run.recorded.scalar_bytes / 2**20, run.channel.tape.size / 2**20
            rows = sum(len(found) for found, _ in said(run.channel.tape, Range()))
            disk = history.store.size() / 2**20
            good &= size <= settings.scalars_mb and tape <= settings.tape_mb
            print(
                f"{run.step / 1e6:13.0f} {run.step / RATE / 3600:7.2f} {size:12.1f} {tape:9.1f} {disk:13.1f} "
                f"{rows:6,} {memory():8.0f} {time.perf_counter() - begin:3.0f}",
                flush=True,
            )
    run.channel.tape.close()
    await manager.close()
    return good


def main() -> None:
    """Measure, and end with an error where something grows out of its setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000_000, help=f"a day has {DAY:,}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        good = asyncio.run(soak(Settings(home=Path(home)), options.steps))
    sys.exit(not good)


if __name__ == "__main__":
    main()
