"""Every experiment, or those named, on the stub device: a few steps, and each of its pictures.

Prints JSON, a line for each: by id what failed (`""` for training, else the panel), and why: `float64`,
`operation` or the error, and where.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import torch

import stub_device
from descent.engine.loop import Loop
from descent.engine.messages import Output, RunSpec
from descent.registry import experiments
from descent.runs.knobs import check
from descent.workers.unable import unable
from tiny import Script

STEPS = 3


def why(error: Exception) -> str:
    """The reason and its place."""
    refused = unable(error, "stub")
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if "descent" in frame.filename]
    place = f"{Path(places[-1].filename).name}:{places[-1].lineno}"
    return f"{refused.params['reason'] if refused else f'{type(error).__name__}: {error}'[:200]} ({place})"


def tried(id: str) -> dict[str, str]:
    """What failed, and why."""
    entry = experiments()[id]
    failed: dict[str, str] = {}
    said: list[Output] = []
    try:
        loop = Loop(
            entry, RunSpec("run", id, check(entry, {}), 0, "stub", max_steps=STEPS), Script(), said.append
        )
        loop.run()
    except Exception as error:
        return {"": why(error)}
    for name, panel in entry.panels.items():
        if panel.kind != "scalars" and not panel.coming:
            try:
                loop.picture(name)
            except Exception as error:
                failed[name] = why(error)
    return failed


if __name__ == "__main__":
    stub_device.install()
    torch.set_num_threads(1)
    for id in sys.argv[1:] or experiments():
        print(json.dumps({id: tried(id)}), flush=True)
