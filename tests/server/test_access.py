"""Who may do what on a server that others reach: keys, people, roles, and whose a run is."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import torch
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import descent
from descent.access import Book
from descent.access import book as books
from descent.cli.main import cli
from descent.errors import TooManyPeople, UnknownKey, WrongToken
from descent.web import door
from descent.web.door import COOKIE, Needs
from descent.web.often import OVER

pytestmark = pytest.mark.slow

PUBLIC = {"/api/openapi.json"}  # says what there is, and nothing of anybody
ROLES = ("viewer", "learner", "teacher")


@pytest.fixture
def server(live_server: Callable[..., str]) -> str:
    """A server that others could reach, so one that asks for keys."""
    return live_server(host="0.0.0.0")


@pytest.fixture
def book(server: str, live_server: Any) -> Book:
    found: Book = live_server.server.config.app.state.book
    return found


@pytest.fixture
def come(server: str, book: Book) -> Iterator[Callable[..., httpx.Client]]:
    """Lets somebody with this role in, as a browser does."""
    clients: list[httpx.Client] = []

    def come_(role: str = "learner", name: str = "") -> httpx.Client:
        client = httpx.Client(base_url=server, timeout=30)
        clients.append(client)
        _, token = book.new_key(role)  # type: ignore[arg-type]
        answer = client.post("/api/enter", json={"key": token, "name": name})
        assert answer.status_code == 200, answer.text
        return client

    yield come_
    for client in clients:
        client.close()


def begin(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/runs", json={"experiment": "tiny", "paused": True, **body})
    assert answer.status_code == 201, answer.text
    run: dict[str, Any] = answer.json()
    until = time.monotonic() + 60
    while run["status"] != "paused" and time.monotonic() < until:
        time.sleep(0.05)
        run = client.get(f"/api/runs/{run['id']}").json()
    return run


def routes(app: FastAPI) -> Iterator[APIRoute | APIWebSocketRoute]:
    for found in app.routes:
        router = getattr(found, "original_router", None)
        for route in router.routes if router is not None else [found]:
            if isinstance(route, APIRoute | APIWebSocketRoute):
                yield route


def needed(app: FastAPI, route: APIRoute | APIWebSocketRoute) -> list[str | None]:
    """What a route says it needs, the router's own first."""
    owners = [
        found.original_router
        for found in app.routes
        if route in getattr(getattr(found, "original_router", None), "routes", ())
    ]
    depends = [*(one for owner in owners for one in owner.dependencies), *route.dependencies]
    return [one.dependency.role for one in depends if isinstance(one.dependency, Needs)]


def test_every_route_says_what_it_needs(tiny_app: Callable[..., FastAPI]) -> None:
    app = tiny_app()
    found = list(routes(app))
    assert len(found) > 40
    silent = [route.path for route in found if not needed(app, route)]
    assert not silent, f"these say nothing of who may ask: {silent}"


def test_every_route_refuses_whoever_may_not_ask(
    server: str, live_server: Any, come: Callable[..., httpx.Client]
) -> None:
    app = live_server.server.config.app
    asking: dict[str | None, httpx.Client] = {None: httpx.Client(base_url=server)}
    asking |= {role: come(role) for role in ROLES}
    tried = 0
    for route in routes(app):
        if not isinstance(route, APIRoute):
            continue
        ranks = [ROLES.index(role) + 1 for role in needed(app, route) if role]
        rank = max(ranks, default=0)
        path = re.sub(r"\{[^}]*\}", "nothing", route.path)
        for method in (route.methods or set()) - {"HEAD"}:
            for role, client in asking.items():
                has = ROLES.index(role) + 1 if role else 0
                if has >= rank and (role == "teacher" or path == "/api/leave"):
                    continue  # may do it, and would
                status = client.request(method, path, json={}).status_code
                refused = (401,) if role is None else (403,)
                assert (status in refused) == (has < rank), (method, path, role, status)
                assert status < 500, (method, path, role)
                tried += 1
    asking[None].close()
    assert tried > 100


def test_sockets_are_closed_to_whoever_has_no_key(server: str, come: Callable[..., httpx.Client]) -> None:
    run = begin(come("teacher"))
    for path in (f"/api/runs/{run['id']}/stream", "/api/watch"):
        with pytest.raises(InvalidStatus), connect(server.replace("http", "ws") + path):
            pass


def test_on_this_machine_alone_nothing_is_asked(live_server: Callable[..., str], tmp_path: Any) -> None:
    with httpx.Client(base_url=live_server()) as client:
        nobody = {"id": "", "role": "teacher", "name": "", "guarded": False, "cluster": False}
        assert client.get("/api/me").json() == nobody
        assert client.get("/api/runs").status_code == 200
        assert client.get("/api/access/keys").json()["code"] == "not-permitted"
    assert not (tmp_path / books.FILE).exists()


def test_without_auth_nothing_is_asked_either(live_server: Callable[..., str]) -> None:
    with httpx.Client(base_url=live_server(host="0.0.0.0", no_auth=True)) as client:
        assert client.get("/api/me").json()["role"] == "teacher"


def test_a_key_lets_many_in_each_as_themselves(server: str, book: Book) -> None:
    _, token = book.new_key("learner", "third class")
    ids = set()
    for name in ("Mina", "Jun"):
        with httpx.Client(base_url=server) as client:
            assert client.get("/api/runs").json()["code"] == "not-signed-in"
            answer = client.post("/api/enter", json={"key": token, "name": name})
            said = answer.headers["set-cookie"]
            assert "HttpOnly" in said
            assert "SameSite=lax" in said
            assert "Secure" not in said
            assert token not in said, "the link's token is not what the browser keeps"
            me = client.get("/api/me").json()
            assert (me["role"], me["name"]) == ("learner", name)
            ids.add(me["id"])
            again = client.post("/api/enter", json={"key": token, "name": "x"})  # the same link once more
            assert again.json()["id"] == me["id"]
            assert "set-cookie" not in again.headers
    assert len(ids) == 2
    assert book.all_keys()[0].people == 2


def test_programs_come_by_the_key_itself(server: str, book: Book) -> None:
    key, token = book.new_key("learner", "my script")
    asked = httpx.get(f"{server}/api/me", headers={"Authorization": f"Bearer {token}"})
    assert asked.json()["role"] == "learner"
    with httpx.Client(base_url=server, headers={"Authorization": f"Bearer {token}"}) as client:
        assert begin(client)["owner"] == key.id


def test_tokens_are_kept_hashed(server: str, book: Book, tmp_path: Any, come: Callable[..., Any]) -> None:
    _, token = book.new_key("teacher")
    cookie = come().cookies[COOKIE]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob(f"{books.FILE}*"))
    assert kept
    assert token.encode() not in kept
    assert cookie.encode() not in kept
    assert (tmp_path / books.FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("token", ["x", "x" * 100, "a" * 10_000, "é", "'; drop table keys; --"])
def test_a_forged_token_is_refused(token: str, server: str) -> None:
    with httpx.Client(base_url=server, cookies={COOKIE: "forged"}) as client:
        assert client.get("/api/runs").status_code in (401, 429)
    bearer = {"Authorization": f"Bearer {token}".encode()}
    assert httpx.get(f"{server}/api/runs", headers=bearer).status_code in (401, 429)  # type: ignore[arg-type]
    assert httpx.post(f"{server}/api/enter", json={"key": token}).status_code in (401, 422, 429)


def test_an_expired_and_a_revoked_key_say_so_and_their_people_are_out(
    server: str, book: Book, come: Callable[..., httpx.Client]
) -> None:
    old, expired = book.new_key("learner", days=1e-9)
    time.sleep(0.01)
    answer = httpx.post(f"{server}/api/enter", json={"key": expired}).json()
    assert (answer["code"], answer["params"]) == ("wrong-token", {"reason": "stale"})
    learner = come("learner")
    person = learner.get("/api/me").json()["id"]
    stolen = dict(learner.cookies)
    teacher = come("teacher")
    key = next(one["key"] for one in teacher.get("/api/access/people").json() if one["id"] == person)
    assert teacher.delete(f"/api/access/{key}").json() == {"people": 1}
    assert learner.get("/api/runs").json()["code"] == "not-signed-in"
    assert httpx.get(f"{server}/api/runs", cookies=stolen).status_code == 401
    assert teacher.delete("/api/access/nothing").json()["code"] == "unknown-key"
    assert old.id not in {one["id"] for one in teacher.get("/api/access/keys").json()}


def test_one_person_is_let_in_no_longer_and_the_others_stay(server: str, book: Book) -> None:
    _, token = book.new_key("learner")
    (first, one), (second, other) = (book.enter(token, name) for name in "ab")
    assert book.revoke(first.id) == 1
    with pytest.raises(WrongToken):
        book.known(one)
    assert book.known(other) == second
    with pytest.raises(UnknownKey):
        book.revoke("nobody")


def test_who_is_shut_out_sees_no_more_of_an_open_run(
    server: str, book: Book, come: Callable[..., httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "LOOK_AGAIN", 0.05)
    learner = come("learner")
    run = begin(learner)
    cookie = {"Cookie": f"{COOKIE}={learner.cookies[COOKIE]}"}
    with connect(
        f"{server.replace('http', 'ws')}/api/runs/{run['id']}/stream", additional_headers=cookie
    ) as ws:
        assert json.loads(ws.recv())["type"] == "hello"
        book.revoke(learner.get("/api/me").json()["id"])
        with pytest.raises(ConnectionClosed) as closed:
            [ws.recv(timeout=10) for _ in range(1000)]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_others_runs_are_not_there(server: str, come: Callable[..., httpx.Client]) -> None:
    mine, other, teacher = come(), come(), come("teacher")
    run = begin(mine)["id"]
    unknown = other.get("/api/runs/nothing").json()
    assert other.get(f"/api/runs/{run}").json() == unknown | {"detail": f"there is no run '{run}'"}
    for path in (
        "family",
        "knobs",
        "frames",
        "experiment",
        "scalars",
        "export",
        "script",
        "moment?step=0&panel=loss",
    ):
        assert other.get(f"/api/runs/{run}/{path}").status_code == 404, path
    for command in ("pause", "resume", "stop", "step", "branch", "sweep"):
        assert other.post(f"/api/runs/{run}/{command}", json={}).status_code == 404, command
    assert other.patch(f"/api/runs/{run}", json={"name": "x"}).status_code == 404
    assert other.delete(f"/api/runs/{run}").status_code == 404
    assert other.get("/api/runs").json() == []
    assert [one["id"] for one in mine.get("/api/runs").json()] == [run]
    assert [one["id"] for one in teacher.get("/api/runs").json()] == [run]
    cookie = {"Cookie": f"{COOKIE}={other.cookies[COOKIE]}"}
    with connect(f"{server.replace('http', 'ws')}/api/runs/{run}/stream", additional_headers=cookie) as ws:
        assert json.loads(ws.recv())["code"] == "unknown-run"


def test_several_at_once_are_only_ones_own(come: Callable[..., httpx.Client]) -> None:
    mine, other = come(), come()
    run = begin(mine)["id"]
    mine.patch(f"/api/runs/{run}", json={"tags": ["secret"]})
    assert other.patch("/api/runs", json={"ids": [run], "starred": True}).json() == []
    assert other.delete("/api/runs", params={"id": run}).status_code == 204
    assert other.get("/api/runs/tags").json() == []
    found = mine.get(f"/api/runs/{run}").json()
    assert not found["starred"]
    assert mine.get("/api/runs/tags").json() == ["secret"]


def test_a_shared_run_is_watched_and_branched_and_not_commanded(
    server: str, come: Callable[..., httpx.Client]
) -> None:
    teacher, learner, viewer = come("teacher"), come(), come("viewer")
    run = begin(teacher)["id"]
    assert teacher.post(f"/api/runs/{run}/step", json={"steps": 3}).status_code == 200
    teacher.patch(f"/api/runs/{run}", json={"shared": True})
    for one in (learner, viewer):
        assert one.get(f"/api/runs/{run}").json()["shared"]
        assert [found["id"] for found in one.get("/api/runs").json()] == [run]
        answer = one.post(f"/api/runs/{run}/resume", json={}).json()
        assert answer["code"] == "not-permitted"
    cookie = {"Cookie": f"{COOKIE}={learner.cookies[COOKIE]}"}
    with connect(f"{server.replace('http', 'ws')}/api/runs/{run}/stream", additional_headers=cookie) as ws:
        assert json.loads(ws.recv())["type"] == "hello"
        ws.send(json.dumps({"type": "knobs", "knobs": {"lr": 1}, "tag": "t"}))
        answer = next(said for said in map(_told, ws) if said.get("type") == "error")
        assert answer["code"] == "not-permitted"
    mine = learner.post(f"/api/runs/{run}/branch", json={"step": 2, "paused": True}).json()
    assert mine["owner"] == learner.get("/api/me").json()["id"]
    assert not mine["shared"]
    assert viewer.post(f"/api/runs/{run}/branch", json={"step": 2}).status_code == 403
    assert viewer.get(f"/api/runs/{mine['id']}").status_code == 404
    teacher.patch(f"/api/runs/{run}", json={"shared": False})
    assert learner.get(f"/api/runs/{run}").status_code == 404


def _told(message: str | bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(message) if isinstance(message, str) else {}
    return said


def test_whose_a_run_is_outlives_the_server(live_server: Any, come: Callable[..., httpx.Client]) -> None:
    learner, other = come(), come()
    run = begin(learner)["id"]
    learner.post(f"/api/runs/{run}/stop")
    cookies = [dict(one.cookies) for one in (learner, other)]
    live_server.stop()
    live_server.join()
    again = live_server(host="0.0.0.0")
    mine, not_mine = (httpx.get(f"{again}/api/runs", cookies=one).json() for one in cookies)
    assert [one["id"] for one in mine] == [run]
    assert not_mine == []


def test_wrong_tokens_are_slowed_and_right_ones_are_not(
    server: str, book: Book, come: Callable[..., httpx.Client]
) -> None:
    learner = come()
    _, token = book.new_key("learner")
    with httpx.Client(base_url=server) as attacker:
        told = [attacker.post("/api/enter", json={"key": f"wrong {i}"}) for i in range(300)]
    codes = [one.json()["code"] for one in told]
    assert codes[0] == "wrong-token"
    assert codes[-1] == "too-many-tokens"
    assert codes.count("wrong-token") == door.PER_ADDRESS.amount
    assert 0 < told[-1].json()["params"]["seconds"] <= 61
    assert learner.get("/api/runs").status_code == 200
    assert httpx.post(f"{server}/api/enter", json={"key": token}).status_code == 200


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("<b>Mina</b>", "<b>Mina</b>"),  # shown as text, never as HTML
        ("a\u202eb\u2066c", "a b c"),
        ("  one\n\ntwo\x00 ", "one two"),
        ("김민아", "김민아"),
        ("x" * 300, "x" * books.MOST_NAME),
    ],
)
def test_a_name_is_one_printable_line(name: str, kept: str, come: Callable[..., httpx.Client]) -> None:
    learner = come(name=name)
    assert learner.get("/api/me").json()["name"] == kept
    assert learner.patch("/api/me", json={"name": "other"}).json()["name"] == "other"
    assert learner.patch("/api/me", json={"name": "x" * 10**5}).status_code == 422


def test_there_are_so_many_keys_and_people_and_no_more(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "MOST_PEOPLE", 2)
    monkeypatch.setattr(books, "MOST_KEYS", 1)
    with closing(Book(tmp_path / "home")) as book:
        _, token = book.new_key("learner")
        book.enter(token), book.enter(token)
        with pytest.raises(TooManyPeople):
            book.enter(token)
        with pytest.raises(TooManyPeople):
            book.new_key("learner")


def test_pages_of_other_sites_cannot_use_ones_cookie(server: str, come: Callable[..., httpx.Client]) -> None:
    teacher = come("teacher")
    foreign = {"Origin": "http://elsewhere.example"}
    assert teacher.post("/api/access/keys", json={"role": "teacher"}, headers=foreign).status_code == 403
    assert teacher.get("/api/access/keys").json()[0]["role"] == "teacher"
    assert len(teacher.get("/api/access/keys").json()) == 1


def test_learners_come_by_any_address_and_by_no_foreign_name(server: str, book: Book) -> None:
    for host, status in (("192.168.7.7:8000", 200), ("[fd00::7]:8000", 200), ("evil.example", 403)):
        answer = httpx.get(f"{server}/api/me", headers={"Host": host})
        assert answer.status_code == status, host


def test_a_link_is_drawn_as_a_code(come: Callable[..., httpx.Client]) -> None:
    answer = come("teacher").post("/api/qr", json={"text": "http://192.168.0.2:8000/enter#abc"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in answer.content
    assert come().post("/api/qr", json={"text": "x" * 2000}).status_code == 422


def test_keys_are_made_listed_and_revoked_in_the_terminal(server: str, tmp_path: Any) -> None:
    home = ["--home", str(tmp_path)]
    ask = CliRunner().invoke
    made = ask(cli, ["access", "new", "--role", "learner", "--label", "class 3", "--address", server, *home])
    link = made.output.strip()
    assert link.startswith(f"{server}/enter#")
    entered = httpx.post(f"{server}/api/enter", json={"key": link.partition("#")[2], "name": "Mina"})
    assert entered.status_code == 200
    shown = ask(cli, ["access", "list", *home]).output
    assert "class 3" in shown
    assert "Mina" in shown
    key = next(line.split()[0] for line in shown.splitlines() if "class 3" in line)
    assert "1 people" in ask(cli, ["access", "revoke", key, *home]).output
    assert httpx.get(f"{server}/api/runs", cookies=dict(entered.cookies)).status_code == 401
    assert ask(cli, ["access", "revoke", "nothing", *home]).exit_code == 1


def test_a_script_comes_by_its_key(
    server: str, book: Book, come: Callable[..., httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, token = book.new_key("learner", "script")
    monkeypatch.setenv("DESCENT_TOKEN", token)
    model = torch.nn.Linear(1, 1)
    teacher = come("teacher")
    with descent.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="mine", url=server) as run:
        until = time.monotonic() + 30
        while not (found := teacher.get("/api/runs").json()) and time.monotonic() < until:
            run.step(loss=1.0)
            time.sleep(0.05)
    assert [one["owner"] for one in found] == [key.id]
    assert come().get("/api/runs").json() == []


# How much of it


def test_who_asks_in_a_loop_is_told_to_wait_and_the_others_are_not(live_server: Any) -> None:
    server = live_server(host="0.0.0.0", requests_each=3)
    book: Book = live_server.server.config.app.state.book
    with httpx.Client(base_url=server) as one, httpx.Client(base_url=server) as other:
        for client in (one, other):
            client.post("/api/enter", json={"key": book.new_key("learner")[1], "name": ""})
        assert one.get("/api/me").status_code == 200
        refused = next(answer for _ in range(5000) if (answer := one.get("/api/me")).status_code != 200)
        assert refused.status_code == 429
        assert refused.json()["code"] == "too-many-requests"
        assert int(refused.headers["retry-after"]) in range(1, OVER + 1)
        assert one.get("/").status_code == 200, "the page itself is not counted"
        cookie = {"Cookie": f"{COOKIE}={one.cookies[COOKIE]}"}
        with connect(f"{server.replace('http', 'ws')}/api/class/stream", additional_headers=cookie) as ws:
            assert json.loads(ws.recv())["type"] == "class"
        assert other.get("/api/me").status_code == 200


def test_a_person_has_so_many_sweeps_under_way_and_no_more(live_server: Any) -> None:
    server = live_server(host="0.0.0.0", sweeps=2, sweeps_each=1)
    book: Book = live_server.server.config.app.state.book
    long = {"count": 25, "steps": 2000}
    with contextlib.ExitStack() as opened:
        one, other, third = (
            opened.enter_context(httpx.Client(base_url=server, timeout=60)) for _ in range(3)
        )
        runs = []
        for client in (one, other, third):
            client.post("/api/enter", json={"key": book.new_key("learner")[1], "name": ""})
            runs.append(f"/api/runs/{begin(client)['id']}/sweep")
        first = opened.enter_context(one.stream("POST", runs[0], json=long))
        assert first.status_code == 200
        refused = one.post(runs[0], json=long)
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-sweeps")
        assert refused.json()["params"] == {"most": 1, "reason": "each"}
        assert "SWEEPS_EACH" in refused.json()["detail"]
        second = opened.enter_context(other.stream("POST", runs[1], json=long))
        assert second.status_code == 200
        assert third.post(runs[2], json=long).json()["params"] == {"most": 2}


# Files that people bring


def brought(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return client.post("/api/files", params={"name": name, "kind": "text"}, content=content)


def names(client: httpx.Client) -> list[tuple[str, bool]]:
    return sorted((one["name"], one["own"]) for one in client.get("/api/files").json())


def test_what_one_brings_is_there_for_oneself_and_what_a_teacher_brings_for_all(
    come: Callable[..., httpx.Client],
) -> None:
    teacher, one, other = come("teacher"), come(), come()
    shared = brought(teacher, "class", 2000 * b"of the class ").json()["id"]
    own = brought(one, "mine", 2000 * b"of one alone ").json()["id"]
    assert names(one) == [("class", False), ("mine", True)]
    assert names(other) == [("class", False)]
    assert names(teacher) == [("class", True), ("mine", True)]
    assert names(come("viewer")) == [("class", False)]

    nothing = other.get("/api/files/0123/preview")
    hidden = other.get(f"/api/files/{own}/preview")
    assert (nothing.status_code, hidden.status_code) == (404, 404)
    assert {**nothing.json(), "detail": ""} == {**hidden.json(), "detail": ""}
    assert other.delete(f"/api/files/{own}").status_code == 404
    refused = one.delete(f"/api/files/{shared}")
    assert (refused.status_code, refused.json()["params"]) == (403, {"reason": "file"})
    assert one.patch(f"/api/files/{own}", json={"name": "renamed"}).status_code == 200

    assert brought(other, "the same", 2000 * b"of one alone ").json()["id"] == own
    assert one.delete(f"/api/files/{own}").status_code == 204
    assert names(one) == [("class", False)]
    assert names(other) == [("class", False), ("the same", True)]
    assert other.delete(f"/api/files/{own}").status_code == 204
    assert names(teacher) == [("class", True)]


def test_a_persons_files_take_so_much_and_no_more(live_server: Any) -> None:
    server = live_server(host="0.0.0.0", data_each_mb=1)
    book: Book = live_server.server.config.app.state.book
    with httpx.Client(base_url=server, timeout=60) as client:
        client.post("/api/enter", json={"key": book.new_key("learner")[1], "name": ""})
        assert brought(client, "a", 50_000 * b"a word or two ").status_code == 201  # 0.7 MB
        refused = brought(client, "b", 50_000 * b"some other text ")
        assert (refused.status_code, refused.json()["params"]["reason"]) == (422, "too-many-bytes")
