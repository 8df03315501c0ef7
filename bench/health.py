"""False alarms: default runs of every experiment, and what is found in them.

    python bench/health.py [--runs 50] [--seconds 10]

Healthy runs should raise none; at most one in fifty may.
"""

from __future__ import annotations

import argparse
import sys
import threading
from itertools import cycle, islice

import torch

from descent.engine.inbox import Inbox
from descent.engine.loop import Loop
from descent.engine.messages import Control, Output, RunSpec
from descent.registry import experiments

MOST = 1 / 50  # share of runs with an alarm
SHOWN = {"initialisation": {"out"}, "regularisation": {"overfitting"}}  # what default runs are made to show


def alarms(id: str, seed: int, seconds: float) -> list[str]:
    """What is found in a default run of so many seconds."""
    entry = experiments()[id]
    found: list[str] = []

    def hear(output: Output) -> None:
        if output.event.get("type") == "diagnosis" and output.event["code"] not in SHOWN.get(id, ()):
            found.append(f"{output.event['code']} {dict(output.event['params'])}")

    inbox = Inbox()
    spec = RunSpec("bench", id, entry.knobs_type().model_dump(mode="json"), seed, "cpu")
    loop = Loop(entry, spec, inbox, hear)
    timer = threading.Timer(seconds, lambda: inbox.put(Control("stop")))
    timer.start()
    loop.run()
    timer.cancel()
    return found


def main() -> None:
    """Run and print; exit status 1 if there were too many."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    raised = 0
    for run, id in enumerate(islice(cycle(experiments()), arguments.runs)):
        found = alarms(id, run, arguments.seconds)
        raised += bool(found)
        if found:
            print(f"{id}, seed {run}: {'; '.join(found)}")
    most = int(MOST * arguments.runs) or 1
    verdict = "met" if raised <= most else "MISSED"
    print(f"{raised} of {arguments.runs} default runs raised an alarm   ≤ {most}: {verdict}")
    sys.exit(0 if raised <= most else 1)


if __name__ == "__main__":
    main()
