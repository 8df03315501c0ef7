"""The class: what the teacher shows reaches all, guesses are taken and decided by the record."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from descent.access import Book
from descent.classroom.lesson import POINTS, Asking, Lesson, curve_of, decided
from descent.classroom.progress import Progress
from descent.errors import BadField
from descent.tasks import Asked, read_questions
from descent.web.classroom import COMMANDS
from descent.web.door import COOKIE
from descent.web.often import OVER
from tiny import REGISTRY

pytestmark = pytest.mark.slow

SAID = {
    "sign": {
        "ask": "Above or below zero?",
        "why": "It is a square.",
        "until": 4,
        "knobs": {"size": 2},
        "answers": {
            "above": {"say": "above", "when": [{"scalar": "loss/train", "above": 0.0}]},
            "below": {"say": "below", "when": [{"scalar": "loss/train", "below": 0.0}]},
        },
    },
    "value": {"ask": "How much?", "until": 4, "number": {"scalar": "loss/train", "low": 0, "high": 100}},
    "course": {"ask": "Draw it.", "until": 4, "curve": {"scalar": "loss/train", "low": 0, "high": 100}},
}
KO = {"sign": {"ask": "0보다 클까요?", "why": "제곱이니까요.", "answers": {"above": "크다", "below": "작다"}}}


@pytest.fixture(autouse=True)
def _tiny_has_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = REGISTRY.find("tiny")
    monkeypatch.setitem(vars(entry), "questions", read_questions({"questions": SAID}))
    for lang, texts in (("en", SAID), ("ko", {**SAID, **KO})):
        words = {**entry.lessons[lang].words, "questions": texts}
        monkeypatch.setitem(vars(entry.lessons[lang]), "words", words)


class Member:
    """Somebody in the class, with a page open."""

    def __init__(self, address: str, book: Book, role: str, name: str) -> None:
        self._open = contextlib.ExitStack()
        self.http = self._open.enter_context(httpx.Client(base_url=address, timeout=30))
        self.id = self.http.post(
            "/api/enter",
            json={"key": book.new_key(role)[1], "name": name},  # type: ignore[arg-type]
        ).json()["id"]
        headers = {"Cookie": f"{COOKIE}={self.http.cookies[COOKIE]}"}
        url = f"{address.replace('http', 'ws')}/api/class/stream"
        self.socket: ClientConnection = self._open.enter_context(connect(url, additional_headers=headers))

    def hears(self, what: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first that is said for which `what` is true."""
        until = time.monotonic() + 30
        while True:
            said: dict[str, Any] = json.loads(self.socket.recv(timeout=until - time.monotonic()))
            if what(said):
                return said

    def says(self, **what: Any) -> None:
        self.socket.send(json.dumps(what))

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def join(live_server: Any) -> Iterator[Callable[..., Member]]:
    address = live_server(host="0.0.0.0")
    book: Book = live_server.server.config.app.state.book
    members: list[Member] = []

    def join_(role: str, name: str) -> Member:
        members.append(Member(address, book, role, name))
        return members[-1]

    yield join_
    for one in members:
        one.close()


def test_what_the_teacher_shows_reaches_all_and_is_shared(join: Callable[..., Member]) -> None:
    teacher, anna = join("teacher", "T"), join("learner", "Anna")
    run = teacher.http.post("/api/runs", json={"experiment": "tiny", "paused": True}).json()["id"]
    assert anna.http.get(f"/api/runs/{run}").status_code == 404
    assert teacher.http.put("/api/class/shown", json={"run": run, "panel": "loss"}).status_code == 204
    shown = anna.hears(lambda said: said["shown"])["shown"]
    assert shown == {"run": run, "experiment": "tiny", "step": None, "panel": "loss"}
    assert anna.http.get(f"/api/runs/{run}").status_code == 200
    teacher.says(type="point", panel="loss", x=0.5, y=0.25)
    assert anna.hears(lambda said: said["type"] == "point")["x"] == 0.5
    anna.says(type="point", panel="loss", x=0.1, y=0.1)  # nobody hears that
    anna.says(type="here", experiment="tiny", run=run)
    (here,) = teacher.hears(lambda said: said.get("here") and said["here"][0]["run"])["here"]
    assert (here["name"], here["run"], here["answered"]) == ("Anna", run, False)
    teacher.http.put("/api/class/shown", json={})
    assert anna.hears(lambda said: said["type"] == "class" and said["shown"] is None)
    assert anna.http.put("/api/class/shown", json={"run": run}).status_code == 403


def test_who_guesses_in_a_loop_is_told_to_wait_and_the_others_are_not(join: Callable[..., Member]) -> None:
    teacher, anna, ben = join("teacher", "T"), join("learner", "Anna"), join("learner", "Ben")
    assert (
        teacher.http.post("/api/class/question", json={"experiment": "tiny", "question": "sign"}).status_code
        == 204
    )
    id = anna.hears(lambda said: said["asking"])["asking"]["id"]
    guess = {"question": id, "guess": "above"}
    answers = [anna.http.post("/api/class/guess", json=guess) for _ in range(OVER * COMMANDS + 5)]
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "too-many-requests"
    assert int(refused[0].headers["retry-after"]) == refused[0].json()["params"]["seconds"] > 0
    assert {one.status_code for one in answers} == {204, 429}
    assert ben.http.post("/api/class/guess", json=guess).status_code == 204
    assert teacher.http.post("/api/class/question/close", json={"question": id}).status_code == 204


def test_a_question_is_asked_guessed_let_go_and_decided(join: Callable[..., Member]) -> None:
    teacher, anna, ben = join("teacher", "T"), join("learner", "Anna"), join("viewer", "Ben")
    ready = teacher.http.get("/api/class/questions", params={"lang": "ko"}).json()
    assert [(one["question"], one["kind"]) for one in ready if one["experiment"] == "tiny"] == [
        ("sign", "answers"),
        ("value", "number"),
        ("course", "curve"),
    ]
    assert ready[0]["ask"] == "0보다 클까요?"
    ask = {"experiment": "tiny", "question": "sign"}
    assert anna.http.post("/api/class/question", json=ask).status_code == 403
    assert teacher.http.post("/api/class/question", json=ask).status_code == 204
    asking = anna.hears(lambda said: said["asking"])["asking"]
    assert asking["answers"]["above"] == {"en": "above", "ko": "크다"}
    assert asking["why"] == {}, "told when it is seen"
    id = asking["id"]
    for one, guess in ((anna, "below"), (anna, "above"), (ben, "below")):
        assert one.http.post("/api/class/guess", json={"question": id, "guess": guess}).status_code == 204
    assert anna.http.post("/api/class/guess", json={"question": id, "guess": "x"}).status_code == 422
    assert anna.http.post("/api/class/guess", json={"question": "no", "guess": "above"}).status_code == 409
    mine = anna.hears(lambda said: said["asking"]["mine"] == "above")["asking"]
    assert mine["guesses"] == [], "others' guesses are not told while they come in"
    assert (
        len(teacher.hears(lambda said: said["asking"] and len(said["asking"]["guesses"]) == 2)["here"]) == 2
    )

    teacher.http.post("/api/class/question/close", json={"question": id})
    assert sorted(anna.hears(lambda said: said["asking"]["phase"] == "closed")["asking"]["guesses"]) == [
        "above",
        "below",
    ]
    late = ben.http.post("/api/class/guess", json={"question": id, "guess": "above"})
    assert (late.status_code, late.json()["code"]) == (409, "wrong-state")
    run = httpx.URL(f"/api/runs/{asking['run']}")
    assert anna.http.get(run).json()["step"] == 0, "it waits"
    assert anna.http.get(run).json()["knobs"]["size"] == 2
    assert teacher.http.post("/api/class/question/go", json={"question": id}).status_code == 204
    seen = anna.hears(lambda said: said["asking"]["phase"] == "seen")
    assert (seen["asking"]["right"], seen["asking"]["is_right"], seen["right"]) == (["above"], True, 1)
    assert seen["asking"]["why"] == {"en": "It is a square.", "ko": "제곱이니까요."}
    assert ben.hears(lambda said: said["asking"] and said["asking"]["phase"] == "seen")["right"] == 0
    assert anna.http.get(run).json()["step"] == 4
    assert teacher.http.delete("/api/class/question").status_code == 204
    assert anna.hears(lambda said: said["asking"] is None)["asked"] == 1


@pytest.mark.parametrize("kind", ["value", "course"])
def test_a_value_and_a_curve_are_told_from_the_record(kind: str, join: Callable[..., Member]) -> None:
    teacher, anna = join("teacher", "T"), join("learner", "Anna")
    teacher.http.post("/api/class/question", json={"experiment": "tiny", "question": kind})
    asking = anna.hears(lambda said: said["asking"])["asking"]
    guess: Any = 50.0 if kind == "value" else [50.0] * POINTS
    sent = anna.http.post("/api/class/guess", json={"question": asking["id"], "guess": guess})
    assert sent.status_code == 204, sent.text
    teacher.http.post("/api/class/question/close", json={"question": asking["id"]})
    teacher.http.post("/api/class/question/go", json={"question": asking["id"]})
    seen = anna.hears(lambda said: said["asking"]["phase"] == "seen")["asking"]
    record = anna.http.get(f"/api/runs/{asking['run']}/scalars").json()["loss/train"]
    assert len(record) == 4
    if kind == "value":
        assert seen["right"] == pytest.approx(record[-1])
    else:
        assert seen["right"] == pytest.approx(curve_of(range(4), record, 4))


def test_a_question_of_ones_own(join: Callable[..., Member]) -> None:
    teacher, anna = join("teacher", "T"), join("learner", "Anna")
    own = {"experiment": "tiny", "ask": "Who\u202e wins?\n<b>", "answers": ["left", "right"], "until": 3}
    assert teacher.http.post("/api/class/question", json=own).status_code == 204
    asking = anna.hears(lambda said: said["asking"])["asking"]
    assert asking["ask"]["en"] == "Who wins? <b>"
    assert asking["by_hand"]
    anna.http.post("/api/class/guess", json={"question": asking["id"], "guess": "1"})
    teacher.http.post("/api/class/question/close", json={"question": asking["id"]})
    right = {"question": asking["id"], "right": "1"}
    assert anna.http.post("/api/class/question/right", json=right).status_code == 403
    assert teacher.http.post("/api/class/question/right", json=right).status_code == 204
    assert anna.hears(lambda said: said["asking"]["phase"] == "seen")["asking"]["is_right"] is True
    for wrong in ({"ask": ""}, {"answers": ["one"]}, {"number": {"scalar": "x", "low": 2, "high": 1}}):
        assert teacher.http.post("/api/class/question", json={**own, **wrong}).status_code == 422


def test_a_server_started_again_goes_on_with_the_lesson(tmp_path: Any, join: Callable[..., Member]) -> None:
    teacher, anna = join("teacher", "T"), join("learner", "Anna")
    teacher.http.post("/api/class/question", json={"experiment": "tiny", "question": "value"})
    asking = anna.hears(lambda said: said["asking"])["asking"]
    anna.http.post("/api/class/guess", json={"question": asking["id"], "guess": 3.0})
    progress = Progress(tmp_path)
    kept = Lesson.model_validate_json(progress.lesson())
    progress.close()
    assert kept.asking is not None
    assert kept.asking.guesses == {anna.id: 3.0}
    assert kept.shown is not None
    assert kept.shown.run == asking["run"]


def asking(**fields: Any) -> Asking:
    return Asking(id="q-1", run="r", experiment="tiny", ask={}, until=10, **fields)


LOSS = {"scalar": "loss", "low": 0.01, "high": 1.0}


def test_how_near_a_guess_must_be() -> None:
    number = asking(number=Asked(**LOSS), right=0.5)
    assert [number.is_right(guess) for guess in (0.5, 0.54, 0.46, 0.6)] == [True, True, True, False]
    log = asking(number=Asked(**LOSS, log=True), right=0.1)
    assert [log.is_right(guess) for guess in (0.1, 0.12, 0.15)] == [True, True, False]
    curve = asking(curve=Asked(**LOSS), right=[0.5] * POINTS)
    assert curve.is_right([0.55] * POINTS)
    assert not curve.is_right([0.7] * POINTS)
    assert asking(number=Asked(**LOSS)).is_right(0.5) is None


@pytest.mark.parametrize("guess", [math.nan, "0.5", [0.5, 0.5], None, [], {}])
def test_a_guess_that_is_none_is_refused(guess: Any) -> None:
    with pytest.raises(BadField):
        asking(number=Asked(**LOSS)).checked(guess)


def test_a_guess_beyond_the_axis_lies_on_its_end() -> None:
    assert asking(number=Asked(**LOSS)).checked(7) == 1.0
    assert asking(curve=Asked(**LOSS)).checked([-1.0] * POINTS) == [0.01] * POINTS


def test_a_curve_is_the_mean_around_each_place() -> None:
    steps, values = list(range(100)), [float(step) for step in range(100)]
    assert curve_of(steps, values, 100) == pytest.approx([2.5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 97])
    assert curve_of([0, 50], [1.0, 2.0], 100) == [1.0] * 3 + [2.0] * 8
    assert curve_of([0], [math.nan], 100) is None


def test_what_was_never_measured_decides_nothing() -> None:
    assert decided(asking(number=Asked(**LOSS)), None, [0], {"loss": [math.nan]}) is None
    assert decided(asking(answers={"a": {}}), None, [0], {"loss": [1.0]}) is None
