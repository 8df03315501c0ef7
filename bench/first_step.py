"""How long a learner waits for the first step after `descent serve`: to the address, and from there.

.venv/bin/python bench/first_step.py [--starts 5]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx


def started(home: str) -> tuple[float, float]:
    """Seconds from the command to the address, and from there to a run's first step."""
    environment = {**os.environ, "DESCENT_HOME": home, "DESCENT_PORT": "0"}
    command = [str(Path(sys.executable).with_name("descent")), "serve"]
    begin = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "no address"
            address = time.perf_counter()
            with httpx.Client(base_url=found[0], timeout=60) as client:
                run = client.post("/api/runs", json={"experiment": "neural-playground"}).json()
                while client.get(f"/api/runs/{run['id']}").json()["step"] < 1:
                    time.sleep(0.01)
            step = time.perf_counter()
        finally:
            server.terminate()
    return address - begin, step - address


def main() -> None:
    """Start it several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    taken = []
    for _ in range(parser.parse_args().starts):
        with tempfile.TemporaryDirectory() as home:
            taken.append(started(home))
    for what, values in zip(("to the address", "to the first step"), zip(*taken, strict=True), strict=True):
        print(f"{what:18} {statistics.median(values):.2f} s (longest {max(values):.2f} s)")


if __name__ == "__main__":
    main()
