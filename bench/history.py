"""How soon the history opens: `GET /api/runs` of a store with many runs, against a real server.

The runs are of all experiments, with their knobs, names, last scalars, branches, pictures and checkpoints.

    python bench/history.py [--runs 1000] [--requests 100]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from descent.protocol import ENDED
from descent.registry import experiments
from descent.runs.run import environment
from descent.store.records import Batch, Checkpoint, StoredMessage
from descent.store.schema import RunRow
from descent.store.store import Store
from served import served

OPEN = 0.200  # target: p95, seconds
WORDS = ["first", "slow", "wide", "deep", "noisy", "clean", "lower", "higher", "again", "느린", "빠른"]
QUERIES = {
    "all": "",
    "search": "?search=slow",
    "one experiment": "?experiment=dcgan",
    "first 50": "?limit=50",
    "50 by loss": "?limit=50&sort=loss",
    "50 by changes": "?limit=50&sort=changes",
}


def fill(home: Path, count: int) -> None:
    """Record so many runs in a new store."""
    random.seed(0)
    began = datetime.now(UTC) - timedelta(days=100)
    entries = list(experiments().values())
    with contextlib.closing(Store("", home)) as store:
        ids: list[str] = []
        for number in range(count):
            entry = random.choice(entries)
            row = RunRow(
                id=f"{random.getrandbits(48):012x}",
                experiment=entry.id,
                status=random.choice(sorted(ENDED)),
                reason="",
                step=random.randrange(100_000),
                seed=0,
                device="cpu",
                **dict.fromkeys(
                    ("built_with", "began_with", "knobs"), entry.knobs_type().model_dump(mode="json")
                ),
                created_at=(began + timedelta(hours=2 * number)).isoformat(),
                updated_at=(began + timedelta(hours=2 * number + 1)).isoformat(),
                parent=random.choice(ids) if ids and number % 4 == 0 else None,
                name=" ".join(random.sample(WORDS, 3)) if number % 3 else "",
                starred=number % 10 == 0,
                latest={name: random.random() for name in scalars_of(entry.panels)},
                environment=environment(),
                frame_bytes=random.randrange(10**7),
                checkpoint_bytes=random.randrange(10**7),
            )
            row.branched_at = row.step // 2 if row.parent else None
            ids.append(row.id)
            heard = [StoredMessage(seq, "scalars", 100 * seq, random.randbytes(1000)) for seq in range(1, 11)]
            frames = {(panel, 1): random.randbytes(2000) for panel in entry.panels}
            store.save([Batch(row, heard, frames, [Checkpoint(1, 1, row.knobs, random.randbytes(10_000))])])


def scalars_of(panels: dict) -> set[str]:
    """The names of all scalars that panels show."""
    return {name for panel in panels.values() for name in panel.options.get("series", {})}


def ask(connection: http.client.HTTPConnection, query: str) -> tuple[float, int]:
    """Seconds from a request to the last byte of its answer, and the answer's size."""
    begin = time.perf_counter()
    connection.request("GET", f"/api/runs{query}")
    answer = connection.getresponse()
    body = answer.read()
    spent = time.perf_counter() - begin
    assert answer.status == 200, body
    return spent, len(body)


def main() -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=100, help="of each kind")
    options = parser.parse_args()
    met = True
    with tempfile.TemporaryDirectory() as home:
        fill(Path(home), options.runs)
        with served(f"--home={home}") as address:
            connection = http.client.HTTPConnection(urlsplit(address).netloc)
            print(f"{f'{options.runs} runs, ms':20}{'p50':>10}{'p95':>10}{'KB':>10}")
            for name, query in QUERIES.items():
                ask(connection, query)  # warms the server up
                asked = [ask(connection, query) for _ in range(options.requests)]
                median, late = np.percentile([spent for spent, _ in asked], [50, 95])
                ok = late <= OPEN
                met &= bool(ok)
                figures = f"{1000 * median:10.1f}{1000 * late:10.1f}{asked[0][1] / 1000:10.1f}"
                print(f"{name:20}{figures}{'' if ok else '   MISSED'}", flush=True)
            connection.close()
    print(f"target: p95 ≤ {1000 * OPEN:.0f} ms")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
