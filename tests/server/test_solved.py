"""Challenges: what a record has done, who gets the stars, and that nobody gets somebody else's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from descent.access import Book
from descent.classroom.progress import Progress
from descent.tasks import Challenge, Earned, earned, read_challenges, read_questions
from tiny import REGISTRY

pytestmark = pytest.mark.slow

SAID = {"title": "t", "goal": "g", "hint": "h", "solution": {}}


def challenge(**fields: Any) -> Challenge:
    whole = {**SAID, "done": [{"scalar": "loss", "below": 0.5}], "within": (10, 5, 2), **fields}
    return Challenge.model_validate(whole)


def record(*values: float, **others: list[float]) -> list[Any]:
    columns = {"loss": list(values), **others}
    return [(np.arange(len(values)), {name: np.array(column) for name, column in columns.items()})]


def in_pieces(whole: list[Any], size: int) -> Iterator[Any]:
    ((steps, columns),) = whole
    for first in range(0, len(steps), size):
        some = slice(first, first + size)
        yield steps[some], {name: values[some] for name, values in columns.items()}


NAN = float("nan")


def test_it_is_done_at_the_first_step_where_all_terms_hold() -> None:
    both = challenge(done=[{"scalar": "loss", "below": 0.5}, {"scalar": "acc", "above": 0.9}])
    assert earned(both, record(0.4, 0.6, 0.4, 0.3, acc=[0.0, 1.0, NAN, 1.0]), [(0, {})]) == Earned(2, 3)
    assert earned(both, record(0.4, 0.4, acc=[NAN, NAN]), [(0, {})]) is None


@pytest.mark.parametrize(("step", "stars"), [(0, 3), (1, 3), (2, 2), (4, 2), (5, 1), (9, 1), (10, 0)])
def test_stars_go_by_the_steps_it_took(step: int, stars: int) -> None:
    found = earned(challenge(), record(*[1.0] * step, 0.1), [(0, {})])
    assert (found.stars if found else 0) == stars


def test_a_rule_is_kept_from_the_first_step_until_it_is_done() -> None:
    ruled = challenge(rules=[{"knob": "hidden", "total": True, "below": 13}])
    falls = record(1.0, 1.0, 0.1, 0.1)
    assert earned(ruled, falls, [(0, {"hidden": [8, 4]}), (3, {"hidden": [8, 8]})])
    assert not earned(ruled, falls, [(0, {"hidden": [8, 4]}), (2, {"hidden": [8, 8]})])
    assert not earned(ruled, falls, [(0, {"hidden": [8, 8]}), (1, {"hidden": [8, 4]})])


@given(st.lists(st.sampled_from([0.1, 0.9, NAN]), min_size=1, max_size=12), st.integers(1, 12))
def test_it_is_the_same_however_the_record_is_cut(values: list[float], size: int) -> None:
    whole = record(*values)
    naive, last = None, NAN
    for step, value in enumerate(values[:10]):
        last = last if value != value else value
        if last < 0.5:
            naive = Earned(challenge().stars(step + 1), step + 1)
            break
    assert earned(challenge(), in_pieces(whole, size), [(0, {})]) == naive


@pytest.mark.parametrize(
    "wrong", [{"within": (5, 10, 2)}, {"done": []}, {"done": [{"scalar": "loss", "times": True}]}, {"x": 1}]
)
def test_a_challenge_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        challenge(**wrong)


def test_a_question_is_of_one_kind() -> None:
    number = {"scalar": "loss", "low": 0, "high": 1}
    answer = {"say": "yes", "when": [{"scalar": "loss", "below": 1}]}
    good = {"q": {"ask": "?", "until": 5, "number": number}}
    assert read_questions({"questions": good})["q"].number
    for wrong in ({}, {"answers": {"a": answer}}, {"number": number, "curve": number}):
        with pytest.raises(ValidationError):
            read_questions({"questions": {"q": {"ask": "?", "until": 5, **wrong}}})


# Over REST

LOW = {"low": {**SAID, "done": [{"scalar": "loss/train", "above": -1.0}], "within": [50, 40, 30]}}
NEVER = {"never": {**SAID, "done": [{"scalar": "loss/train", "below": -1.0}], "within": [50, 40, 30]}}


@pytest.fixture(autouse=True)
def _tiny_has_challenges(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_challenges({"challenges": {**LOW, **NEVER}})
    monkeypatch.setitem(vars(REGISTRY.find("tiny")), "challenges", found)


def trained(client: httpx.Client, **body: Any) -> str:
    """A run of five steps."""
    run = client.post("/api/runs", json={"experiment": "tiny", "max_steps": 5, **body}).json()
    until = time.monotonic() + 60
    while client.get(f"/api/runs/{run['id']}").json()["status"] != "finished" and time.monotonic() < until:
        time.sleep(0.05)
    return str(run["id"])


def test_what_a_run_has_done_is_checked_on_its_record_and_kept(live_server: Any) -> None:
    with httpx.Client(base_url=live_server(), timeout=30) as client:
        run = trained(client)
        (done,) = client.post(f"/api/runs/{run}/challenges").json()
        assert {"challenge": "low", "stars": 3, "step": 1, "run": run}.items() <= done.items()
        assert client.get("/api/challenges").json() == [done]
        again = trained(client)
        assert client.post(f"/api/runs/{again}/challenges").json() == [done]  # the better one, or the first
        assert client.delete(f"/api/runs/{run}").status_code == 204
        assert client.get("/api/challenges").json() == [done]


def test_a_branch_counts_from_its_first_parents_first_step(live_server: Any) -> None:
    with httpx.Client(base_url=live_server(), timeout=30) as client:
        run = trained(client)
        branch = client.post(f"/api/runs/{run}/branch", json={"step": 3, "knobs": {}}).json()["id"]
        (done,) = client.post(f"/api/runs/{branch}/challenges").json()
        assert done["step"] == 1
        client.delete(f"/api/runs/{run}")
        orphan = client.get(f"/api/runs/{branch}").json()
        assert orphan["parent"] is None
        client.delete(f"/api/runs/{branch}")


ASKED = {
    "ask": "How low?",
    "why": "It falls.",
    "knobs": {"size": 4},
    "until": 6,
    "answers": {
        "low": {"say": "low", "when": [{"scalar": "loss/train", "below": 1e9}]},
        "high": {"say": "high", "when": [{"scalar": "loss/train", "above": 1e9}]},
    },
}


def test_a_question_is_decided_by_ones_own_run_with_its_knobs(live_server: Any) -> None:
    entry = REGISTRY.find("tiny")
    words = {"questions": {"how": ASKED}}
    number = {key: ASKED[key] for key in ("ask", "knobs", "until")}
    number["number"] = {"scalar": "loss/train", "low": 0.0, "high": 1e6}
    vars(entry)["questions"] = read_questions({"questions": {"how": ASKED, "much": number}})
    for lesson in entry.lessons.values():
        lesson.words["questions"] = {**words["questions"], "much": number}  # type: ignore[index]
    with httpx.Client(base_url=live_server(), timeout=30) as client:

        def run(**knobs: Any) -> str:
            body = {"experiment": "tiny", "knobs": knobs, "paused": True, "until": 6}
            id = str(client.post("/api/runs", json=body).json()["id"])
            until = time.monotonic() + 30
            while client.get(f"/api/runs/{id}").json()["step"] < 6 and time.monotonic() < until:
                time.sleep(0.02)
            return id

        def decided(id: str, question: str, guess: Any) -> Any:
            return client.post(f"/api/runs/{id}/questions/{question}", json={"guess": guess}).json()

        asked = run(size=4)
        right = decided(asked, "how", "low")
        assert (right["right"], right["is_right"], right["why"]["en"]) == (["low"], True, "It falls.")
        assert decided(asked, "how", "high")["is_right"] is False
        measured = client.get(f"/api/runs/{asked}/scalars").json()
        value = measured["loss/train"][5]
        found = decided(asked, "much", value)
        assert (found["right"], found["is_right"]) == (pytest.approx(value), True)
        assert decided(asked, "much", 1e6)["is_right"] is False
        assert decided(asked, "how", "neither")["params"]["reason"] == "guess"
        assert decided(asked, "what", "low")["params"]["reason"] == "question"
        assert decided(run(size=3), "how", "low")["params"]["reason"] == "other-knobs"
        early = client.post("/api/runs", json={"experiment": "tiny", "knobs": {"size": 4}, "paused": True})
        assert decided(early.json()["id"], "how", "low")["params"]["reason"] == "early"
        branch = client.post(f"/api/runs/{asked}/branch", json={"step": 3, "knobs": {}}).json()["id"]
        until = time.monotonic() + 30
        while client.get(f"/api/runs/{branch}").json()["step"] < 6 and time.monotonic() < until:
            time.sleep(0.02)
        client.delete(f"/api/runs/{asked}")  # and with it the branch's beginning
        assert decided(branch, "how", "low")["params"]["reason"] == "other-knobs"


def test_stars_are_for_ones_own_runs_alone(live_server: Any) -> None:
    address = live_server(host="0.0.0.0")
    book: Book = live_server.server.config.app.state.book
    people = {}
    for role in ("teacher", "learner", "learner"):
        client = httpx.Client(base_url=address, timeout=30)
        client.post("/api/enter", json={"key": book.new_key(role)[1], "name": role})  # type: ignore[arg-type]
        people.setdefault(role, []).append(client)
    (teacher,), (anna, ben) = people["teacher"], people["learner"]
    run = trained(anna)
    assert ben.post(f"/api/runs/{run}/challenges").status_code == 404
    assert teacher.post(f"/api/runs/{run}/challenges").json() == []
    assert teacher.get("/api/challenges").json() == []
    shown = trained(teacher)
    teacher.patch(f"/api/runs/{shown}", json={"shared": True})
    branch = anna.post(f"/api/runs/{shown}/branch", json={"step": 4, "knobs": {}}).json()["id"]
    assert anna.post(f"/api/runs/{branch}/challenges").json() == []
    assert len(anna.post(f"/api/runs/{run}/challenges").json()) == 1
    assert len(anna.get("/api/challenges").json()) == 1
    assert ben.get("/api/challenges").json() == []
    for client in (teacher, anna, ben):
        client.close()


def test_a_run_made_before_a_knob_was_there_has_its_default(live_server: Any, tmp_path: Any) -> None:
    with httpx.Client(base_url=live_server(), timeout=30) as client:
        run = trained(client)
        entry = REGISTRY.find("tiny")
        ruled = {"old": {**LOW["low"], "rules": [{"knob": "size", "equals": 3}]}}
        manager = live_server.server.config.app.state.manager
        manager.runs[run].knob_log[0][1].pop("size")
        vars(entry)["challenges"] = read_challenges({"challenges": ruled})  # put back by the fixture
        assert [one["challenge"] for one in client.post(f"/api/runs/{run}/challenges").json()] == ["old"]


def test_the_best_is_kept_and_a_worse_one_changes_nothing(tmp_path: Any) -> None:
    progress = Progress(tmp_path)
    progress.note("anna", "tiny", "one", {"low": Earned(2, 40)})
    progress.note("anna", "tiny", "two", {"low": Earned(1, 50)})
    progress.note("anna", "tiny", "three", {"low": Earned(3, 20)})
    progress.note("ben", "tiny", "four", {"low": Earned(1, 45)})
    (best,) = progress.of("anna")
    assert (best.run, best.stars, best.step) == ("three", 3, 20)
    assert [one.stars for one in progress.of("ben")] == [1]
    progress.close()
    again = Progress(tmp_path)
    assert len(again.of("anna")) == 1
    again.close()
