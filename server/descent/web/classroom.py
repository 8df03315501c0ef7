"""The class: what the teacher shows and asks over REST, and a socket that tells each page of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from descent.access.book import one_line
from descent.classroom.lesson import MOST_ANSWERS, MOST_LETTERS, POINTS, Asking, Shown
from descent.classroom.room import Room, Window
from descent.errors import BadField, DescentError
from descent.lessons import LANGUAGES
from descent.tasks import Asked
from descent.web.door import TEACHER, VIEWER, shut_out
from descent.web.door import Asking as Who
from descent.web.experiments import TheRegistry
from descent.web.often import Often
from descent.web.stream import POLICY_VIOLATION, TRY_AGAIN_LATER, bad_field

SAYINGS = 20  # a second, of one page; more are passed over

COMMANDS = 4  # a second of each person, on average over five


def _seldom(request: Request) -> None:
    """Raises `TooManyRequests` for who sends commands in a loop."""
    commands: Often = request.app.state.commands
    commands.count(request.state.person)


SELDOM = Depends(_seldom)

router = APIRouter(prefix="/api/class", tags=["class"], dependencies=[VIEWER])


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ToShow(_Strict):
    """What to show to all; without a run nothing any more."""

    run: str = Field("", max_length=64)
    step: int | None = Field(None, ge=0)
    panel: str = Field("", max_length=100)


class ReadyQuestion(BaseModel):
    """A question that comes with an experiment."""

    experiment: str
    question: str
    ask: str
    kind: Literal["answers", "number", "curve"]
    until: int


class ToAsk(_Strict):
    """A ready question, by its name; or one of one's own: `ask`, with `answers`, or of a scalar."""

    experiment: str = Field(max_length=100)
    question: str = Field("", max_length=100)
    ask: str = Field("", max_length=MOST_LETTERS)
    answers: list[Annotated[str, Field(min_length=1, max_length=MOST_LETTERS)]] = Field(
        [], max_length=MOST_ANSWERS
    )
    number: Asked | None = None
    curve: Asked | None = None
    until: int = Field(500, ge=1, le=1_000_000)
    knobs: dict[str, Any] = {}


class ToGuess(_Strict):
    """A guess: an answer's id, a number, or a curve's values at equal distances."""

    question: str = Field(max_length=150)
    guess: str | float | Annotated[list[float], Field(max_length=POINTS)]


class OfQuestion(_Strict):
    """A question that is asked."""

    question: str = Field(max_length=150)


class Right(OfQuestion):
    """Which answer turned out right."""

    right: str = Field(max_length=100)


class Here(_Strict):
    """Where a page is."""

    type: Literal["here"]
    experiment: str = Field("", max_length=100)
    run: str = Field("", max_length=64)


class Point(_Strict):
    """Where the teacher points: in a panel, from 0 to 1 across and down."""

    type: Literal["point"]
    panel: str = Field(max_length=100)
    x: float = Field(ge=0, le=1, allow_inf_nan=False)
    y: float = Field(ge=0, le=1, allow_inf_nan=False)


_sayings: TypeAdapter[Here | Point] = TypeAdapter(Annotated[Here | Point, Field(discriminator="type")])


def _room(request: Request) -> Room:
    found: Room = request.app.state.room
    return found


TheRoom = Annotated[Room, Depends(_room)]


@router.get("/questions", dependencies=[TEACHER])
async def questions(registry: TheRegistry, lang: Literal["en", "ko"] = "en") -> list[ReadyQuestion]:
    """The questions that come with the experiments."""
    return [
        ReadyQuestion(
            experiment=entry.id,
            question=name,
            ask=entry.lessons[lang].words.get("questions", {}).get(name, {}).get("ask") or question.ask,
            kind="number" if question.number else "curve" if question.curve else "answers",
            until=question.until,
        )
        for entry in registry.values()
        for name, question in entry.questions.items()
    ]


@router.put("/shown", status_code=204, dependencies=[TEACHER, SELDOM])
async def show(body: ToShow, room: TheRoom) -> None:
    """Show a run to all, which shares it with them."""
    await room.show(Shown(**body.model_dump(), experiment="") if body.run else None)


@router.post("/question", status_code=204, dependencies=[TEACHER, SELDOM])
async def ask(body: ToAsk, room: TheRoom, person: Who, registry: TheRegistry) -> None:
    """Ask the class. A new run waits at step 0, and all are shown it."""
    entry = registry.find(body.experiment)
    if body.question:
        return await room.ask(person, entry.id, body.question)
    kinds = [len(body.answers) > 1, body.number is not None, body.curve is not None]
    if not body.ask.strip() or sum(kinds) != 1 or len(body.answers) == 1:
        raise BadField(
            "ask: a question needs two answers or more, or a number, or a curve", "ask", reason="question"
        )
    asked = body.number or body.curve
    if asked is not None and not (asked.low < asked.high and (asked.low > 0 or not asked.log)):
        raise BadField(
            "low: it must be less than high, and positive on a logarithmic axis", "low", reason="range"
        )
    asking = Asking(
        id="",
        run="",
        experiment=entry.id,
        ask=_both(body.ask),
        until=body.until,
        answers={str(i): _both(text) for i, text in enumerate(body.answers)},
        number=body.number,
        curve=body.curve,
    )
    await room.ask_own(person, asking, body.knobs)


def _both(text: str) -> dict[str, str]:
    return dict.fromkeys(LANGUAGES, one_line(text))


@router.post("/guess", status_code=204, dependencies=[SELDOM])
async def guess(body: ToGuess, room: TheRoom, person: Who) -> None:
    """Answer the question; again, as long as answers are taken."""
    room.guess(person, body.question, body.guess)


@router.post("/question/close", status_code=204, dependencies=[TEACHER, SELDOM])
async def close(body: OfQuestion, room: TheRoom) -> None:
    """Take no more answers, and show them to all."""
    room.close(body.question)


@router.post("/question/go", status_code=204, dependencies=[TEACHER, SELDOM])
async def go(body: OfQuestion, room: TheRoom) -> None:
    """Let the run go to the step where it decides."""
    await room.go(body.question)


@router.post("/question/right", status_code=204, dependencies=[TEACHER, SELDOM])
async def right(body: Right, room: TheRoom) -> None:
    """Say which answer was right, of a question of one's own that no record decides."""
    room.mark(body.question, body.right)


@router.delete("/question", status_code=204, dependencies=[TEACHER, SELDOM])
async def end(room: TheRoom) -> None:
    """Put the question away."""
    room.end()


@router.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    """Say what the class is shown and asked, at once and at each change; hear where the page is."""
    room: Room = socket.app.state.room
    await socket.accept()
    try:
        window = room.enter(socket.state.person)
    except DescentError as error:
        with contextlib.suppress(WebSocketDisconnect):
            await socket.close(TRY_AGAIN_LATER, error.detail[:100])
        return
    tasks = {
        asyncio.create_task(one)
        for one in (_tell(socket, room, window), _hear(socket, room, window), shut_out(socket))
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code, reason = done.pop().result()
        await socket.close(code, reason)
    except WebSocketDisconnect:
        pass
    finally:
        room.leave(window)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(socket: WebSocket, room: Room, window: Window) -> tuple[int, str]:
    last: dict[str, Any] | None = None
    while True:
        await window.changed.wait()
        window.changed.clear()
        if window.point is not None:
            point, window.point = window.point, None
            await socket.send_json(point)
        told = room.told(window)
        if told != last:
            await socket.send_json(told)
            last = told
        await asyncio.sleep(1 / SAYINGS)


async def _hear(socket: WebSocket, room: Room, window: Window) -> tuple[int, str]:
    while True:
        text = await socket.receive_text()
        try:
            said = _sayings.validate_json(text)
        except ValidationError as error:
            return POLICY_VIOLATION, bad_field(error.errors(include_url=False)[0]).detail[:100]
        if isinstance(said, Here):
            room.moved(window, said.experiment, said.run)
        elif window.person.role == "teacher":
            room.point(window, said.model_dump())
        await asyncio.sleep(1 / SAYINGS)
