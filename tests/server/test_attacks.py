"""Whatever somebody sends, as whoever they are: the server answers, with no fault of its own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from descent.access import Book

ROLES = ["teacher", "learner", "viewer", "nobody"]
FEW, MANY = 1, 8  # requests to each route, of each kind; with one each, the kinds take turns
KINDS = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]  # as the document says, and not so
# They come late, since what trains takes the tests' own time, and last what takes away what others ask about.
TRAINS = ("/resume", "/branch", "/step", "/plan", "/question", "/go", "/sweep", "/api/runs")
PACE = settings(
    deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@schemathesis.serializer("application/zip", "application/octet-stream", "image/png", "image/jpeg")
def as_it_is(context: Any, value: Any) -> bytes:
    """What is no JSON: nothing that opens, but it comes."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@pytest.fixture
def server(live_server: Callable[..., str]) -> str:
    return live_server(
        host="0.0.0.0", catalogue={}, max_running=1, max_live=4, live_each=2, idle_pause=1, requests_each=0
    )


@pytest.fixture
def attackers(server: str, live_server: Any) -> Iterator[dict[str, requests.Session]]:
    """Somebody of each role."""
    book: Book = live_server.server.config.app.state.book
    with contextlib.ExitStack() as opened:
        found = {role: opened.enter_context(requests.Session()) for role in ROLES}
        for role in ROLES[:-1]:
            found[role].headers["Authorization"] = f"Bearer {book.new_key(role)[1]}"  # type: ignore[arg-type]
        yield found


def attack(
    server: str, attackers: dict[str, requests.Session], document: dict[str, Any], examples: int
) -> dict[str, set[int]]:
    """The statuses that were answered to each role. Fails at one of 5xx."""
    own = attackers["learner"].post(f"{server}/api/runs", json={"experiment": "tiny", "paused": True})
    known = {"id": "tiny", "run_id": own.json()["id"], "panel": "loss"}
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    operations.sort(key=lambda one: (one.method == "delete", one.path.endswith(TRAINS)))
    answered: dict[str, set[int]] = {role: set() for role in ROLES}

    def send(case: schemathesis.Case, aimed: bool) -> None:
        if aimed:
            case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
        for role, session in attackers.items():
            with session.request(timeout=60, stream=True, **_asked(case, server, session)) as answer:
                answered[role].add(answer.status_code)
                assert answer.status_code < 500, (role, case.as_curl_command(), answer.text)

    for number, operation in enumerate(operations):
        for kind in KINDS if examples > 1 else KINDS[number % 2 :][:1]:
            cases = operation.as_strategy(generation_mode=kind)
            with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is sent
                settings(PACE, max_examples=examples)(given(cases, st.booleans())(send))()
    return answered


def _asked(case: schemathesis.Case, server: str, session: requests.Session) -> dict[str, Any]:
    asked: dict[str, Any] = case.as_transport_kwargs(base_url=server)
    asked.pop("cookies", None)  # who asks is known by the session's header
    asked["headers"] = {**asked.get("headers", {}), **session.headers}
    return asked


def tried(
    server: str, attackers: dict[str, requests.Session], live_server: Any, caplog: Any, examples: int
) -> None:
    with caplog.at_level(logging.ERROR):
        answered = attack(server, attackers, live_server.server.config.app.openapi(), examples)
    assert not [one for one in caplog.records if one.exc_info], caplog.text
    assert {200, 404, 422} <= answered["teacher"]
    assert {200, 403} <= answered["learner"] & answered["viewer"]
    assert 401 in answered["nobody"]
    assert httpx.get(f"{server}/api/health").status_code == 200


@pytest.mark.slow
def test_no_role_can_make_the_server_fail(server: str, attackers: Any, live_server: Any, caplog: Any) -> None:
    tried(server, attackers, live_server, caplog, FEW)


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_no_role_can_make_the_server_fail_however_often_it_tries(
    server: str, attackers: Any, live_server: Any, caplog: Any
) -> None:
    tried(server, attackers, live_server, caplog, MANY)
