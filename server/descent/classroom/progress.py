"""Who has solved which challenge: `class.db` in HOME. On a server that asks nobody, nobody's name is ''."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from descent.access.kept import Kept
from descent.tasks import Earned

FILE = "class.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS solved (
    person TEXT NOT NULL, experiment TEXT NOT NULL, challenge TEXT NOT NULL,
    stars INTEGER NOT NULL, step INTEGER NOT NULL, run TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (person, experiment, challenge)
);
CREATE TABLE IF NOT EXISTS lesson (id INTEGER PRIMARY KEY CHECK (id = 0), state TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Solved:
    """The best that somebody has done: `stars`, after `step` steps of `run`, `at` seconds since the epoch."""

    experiment: str
    challenge: str
    stars: int
    step: int
    run: str
    at: float


class Progress(Kept):
    """The book of solved challenges, and of the lesson that goes on."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / FILE, SCHEMA)

    def note(self, person: str, experiment: str, run: str, found: Mapping[str, Earned]) -> list[Solved]:
        """Note what a run has earned, where it is more than before; the best so far of these challenges."""
        with self._writing() as database:
            for challenge, one in found.items():
                database.execute(
                    "INSERT INTO solved VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                    "ON CONFLICT DO UPDATE SET stars = ?4, step = ?5, run = ?6, at = ?7 WHERE step > ?5",
                    (person, experiment, challenge, one.stars, one.step, run, time.time()),
                )
        return [one for one in self.of(person) if one.experiment == experiment and one.challenge in found]

    def of(self, person: str) -> list[Solved]:
        """All that somebody has solved."""
        with self._lock:
            rows = self._database.execute(
                "SELECT experiment, challenge, stars, step, run, at FROM solved WHERE person = ? ORDER BY at",
                (person,),
            ).fetchall()
        return [Solved(*row) for row in rows]

    # The lesson

    def lesson(self) -> str:
        """The lesson as it was last kept; empty if none was."""
        with self._lock:
            row = self._database.execute("SELECT state FROM lesson").fetchone()
        return row[0] if row else ""

    def keep_lesson(self, state: str) -> None:
        """Keep the lesson."""
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO lesson VALUES (0, ?)", (state,))
