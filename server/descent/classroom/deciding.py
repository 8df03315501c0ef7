"""What a run's record says of a question: which answer was right."""

from __future__ import annotations

import asyncio
from typing import Any

from descent import errors
from descent.classroom.lesson import Asking, asking_of, decided
from descent.contract.entry import Entry
from descent.runs.knobs import check
from descent.runs.manager import RunManager
from descent.runs.record import knobs_of, lineage, pieces
from descent.runs.run import Run
from descent.tasks import Log, Question
from descent.thinned import join

EARLY = "the run decides at step {}"
Right = list[str] | float | list[float] | None


def ready(entry: Entry, name: str) -> Question:
    """A question that comes with an experiment. Raises `BadField`."""
    if name not in entry.questions:
        known = ", ".join(entry.questions) or "none"
        raise errors.BadField(f"question: {entry.id} has {known}", "question", reason="question")
    return entry.questions[name]


def asked_of(id: str, run: str, entry: Entry, name: str) -> Asking:
    """A ready question as it is asked of a run."""
    texts = {lang: lesson.words["questions"][name] for lang, lesson in entry.lessons.items()}
    return asking_of(id, run, entry.id, ready(entry, name), texts)


async def right_of(runs: list[Run], asking: Asking, question: Question | None) -> Right:
    """What the record of a lineage, the run itself the last, says was right; None where it says nothing.

    Raises `WrongState` where it does not go so far: what a run says of its last steps comes a moment later.
    """

    def read() -> Right:
        parts = list(pieces(runs, asking.until - 1))
        if not parts:
            return None
        steps, columns = join(parts)
        if steps[-1] < asking.until - 1 and not runs[-1].ended:
            raise errors.WrongState(EARLY.format(asking.until), "run", reason="early")
        return decided(
            asking, question, steps.tolist(), {name: values.tolist() for name, values in columns.items()}
        )

    return await asyncio.to_thread(read)


async def answered(manager: RunManager, run: Run, name: str, guess: Any) -> tuple[Asking, bool | None]:
    """A question as one's own run has decided it, and whether a guess was right.

    Raises `BadField` where there is no such question or guess, and `WrongState` where the run has not come
    to the question's step or was trained with other knobs on the way.
    """
    question = ready(run.entry, name)
    asking = asked_of(name, run.id, run.entry, name)
    kept = asking.checked(guess)
    if run.step < asking.until and run.status not in ("diverged", "finished"):
        raise errors.WrongState(EARLY.format(asking.until), "run", reason="early")
    runs = await lineage(manager, run)
    if not runs or not _as_asked(run.entry, question, knobs_of(runs)):
        raise errors.WrongState("the question is of a run with other settings", "run", reason="other-knobs")
    asking.right = await right_of(runs, asking, question)
    return asking, asking.is_right(kept)


def _as_asked(entry: Entry, question: Question, log: Log) -> bool:
    """Whether knobs were those of the question up to its step, apart from what changes no training."""
    wanted = check(entry, question.knobs)
    trains = set(wanted) - entry.knobs_type.looks()
    before = [check(entry, knobs) for step, knobs in log if step < question.until]
    return bool(before) and all(now[name] == wanted[name] for now in before for name in trains)
