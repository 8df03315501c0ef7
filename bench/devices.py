"""How fast each experiment trains on each kind of device of this machine, and which one `auto` would take.

    python bench/devices.py                                  all experiments with their defaults
    python bench/devices.py --experiment gpt --experiment dcgan

The same measurement as before a run's first step (`engine/tempo.py`), but all in one process: first on the
CPU, since what a GPU is asked for so that it repeats itself exactly would slow the CPU down, too. On a
machine with a CPU alone it prints that.
"""

from __future__ import annotations

import argparse

import torch

from descent.contract.entry import Entry
from descent.engine.device import CPU, kind_of, offered
from descent.engine.messages import Measured, Output, RunSpec
from descent.engine.tempo import measure
from descent.registry import experiments
from descent.runs.choices import chosen
from descent.runs.knobs import check
from descent.settings import Settings
from descent.workers.bounds import is_lacking_memory
from descent.workers.unable import unable


def rate_on(entry: Entry, device: str) -> float | str:
    """Steps per second, or why there are none."""
    folders = tuple(map(str, Settings(**{}).data_folders))
    said: list[Output] = []
    try:
        measure(entry, RunSpec("bench", entry.id, check(entry, {}), 0, device, data=folders), said.append)
    except Exception as error:
        lacking = unable(error, device)
        if is_lacking_memory(error):
            return "memory"
        return str(lacking.params["reason"]) if lacking else f"{type(error).__name__}: {error}"[:60]
    (found,) = said
    assert isinstance(found, Measured)
    return found.rate


def row(id: str, told: dict[str, float | str]) -> str:
    """An experiment's line: its speeds, the device that `auto` takes, and how much faster that is."""
    rates = {kind: rate for kind, rate in told.items() if isinstance(rate, float)}
    kind = chosen(rates, {}).kind
    cells = [f"{rate:>12,.0f}" if isinstance(rate, float) else f"{rate:>12}" for rate in told.values()]
    others = [rate for other, rate in rates.items() if other != kind]
    faster = f"{rates[kind] / max(others):.2f} times" if others and kind in rates else ""
    return f"{id:24}{''.join(cells)}  {kind:6}{faster:>12}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--experiment", action="append", help="an experiment's id; by default all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kinds = {kind_of(device): device for device in reversed(offered())}  # the first of each kind
    order = sorted(kinds, key=lambda kind: kind != CPU)
    entries = [experiments()[id] for id in options.experiment or experiments()]
    told: dict[str, dict[str, float | str]] = {entry.id: {} for entry in entries}
    print("steps per second    " + "    " + "".join(f"{kind:>12}" for kind in order) + "  auto")
    for kind in order:
        for entry in entries:
            told[entry.id][kind] = rate_on(entry, kinds[kind])
            if kind == order[-1]:
                print(row(entry.id, told[entry.id]), flush=True)


if __name__ == "__main__":
    main()
