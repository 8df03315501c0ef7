"""Challenges and questions over REST: what a run has done of them, and what one has solved so far."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from descent.classroom.deciding import Right, answered
from descent.classroom.lesson import Guess
from descent.classroom.progress import Progress, Solved
from descent.runs.record import challenges_done
from descent.web.door import LEARNER, VIEWER, Asking
from descent.web.runs import Manager, OwnRun

router = APIRouter(prefix="/api", tags=["class"], dependencies=[VIEWER])


class SolvedChallenge(BaseModel):
    """A challenge that was solved, as well as it was done best."""

    experiment: str
    challenge: str
    stars: int = Field(ge=1, le=3)
    step: int = Field(description="How many steps it took.")
    run: str
    at: float = Field(description="Seconds since the epoch.")


def _told(found: list[Solved]) -> list[SolvedChallenge]:
    return [SolvedChallenge(**asdict(one)) for one in found]


@router.get("/challenges")
async def solved(request: Request, person: Asking) -> list[SolvedChallenge]:
    """The challenges that whoever asks has solved."""
    progress: Progress = request.app.state.progress
    return _told(await asyncio.to_thread(progress.of, person.id))


@router.post("/runs/{run_id}/challenges", dependencies=[LEARNER])
async def check(request: Request, run: OwnRun, manager: Manager, person: Asking) -> list[SolvedChallenge]:
    """Check a run's record against its experiment's challenges: those it has done, as they are done best.

    They count for whoever asks if the run, and what it was branched from, are theirs.
    """
    progress: Progress = request.app.state.progress
    done = await challenges_done(manager, run) if run.owner == person.id else {}
    return _told(await asyncio.to_thread(progress.note, person.id, run.entry.id, run.id, done))


class Guessed(BaseModel):
    """What one guessed before it was seen: an answer, a value, or a curve."""

    model_config = ConfigDict(extra="forbid")

    guess: Guess


class Verdict(BaseModel):
    """How a question turned out in a run: null where its record does not say. `why`: by language."""

    right: Right
    is_right: bool | None
    why: dict[str, str]


@router.post("/runs/{run_id}/questions/{question}", dependencies=[LEARNER])
async def verdict(run: OwnRun, question: str, body: Guessed, manager: Manager) -> Verdict:
    """How a question turned out in one's own run, trained with the question's knobs up to its step."""
    asking, is_right = await answered(manager, run, question, body.guess)
    return Verdict(right=asking.right, is_right=is_right, why=asking.why)
