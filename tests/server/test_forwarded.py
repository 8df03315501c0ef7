"""What a proxy says of a request is believed of trusted ones only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from descent.access import Book
from descent.settings import Settings
from descent.web import door
from descent.web.door import COOKIE, SECURE_COOKIE

pytestmark = pytest.mark.slow

TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
NOBODY = "192.0.2.1"  # an address that no test has


@pytest.fixture
def start(live_server: Any) -> Callable[..., tuple[str, Book]]:
    """Starts a guarded server with these settings; its address and its keys."""

    def start_(**settings: object) -> tuple[str, Book]:
        address = live_server(host="0.0.0.0", **settings)
        return address, live_server.server.config.app.state.book

    return start_


def enter(server: str, book: Book, **headers: str) -> httpx.Response:
    _, token = book.new_key("learner")
    answer = httpx.post(f"{server}/api/enter", json={"key": token}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def wrong(server: str, **headers: str) -> int:
    return httpx.post(f"{server}/api/enter", json={"key": "wrong"}, headers=headers).status_code


def role(server: str, cookie: tuple[str, str], **headers: str) -> str | None:
    name, value = cookie
    said: str | None = httpx.get(f"{server}/api/me", headers={"Cookie": f"{name}={value}", **headers}).json()[
        "role"
    ]
    return said


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(start: Callable[..., Any]) -> None:
    server, book = start(trusted_proxies="127.0.0.1")
    said = enter(server, book, **TLS).headers["set-cookie"]
    assert said.startswith(f"{SECURE_COOKIE}=")
    assert "; Secure" in said
    plain = enter(server, book).headers["set-cookie"]
    assert plain.startswith(f"{COOKIE}=")
    assert "Secure" not in plain


def test_a_cookie_made_behind_tls_counts_there_alone(start: Callable[..., Any]) -> None:
    server, book = start(trusted_proxies="127.0.0.1")
    ((name, value),) = enter(server, book, **TLS).cookies.items()
    assert role(server, (name, value), **TLS) == "learner"
    assert role(server, (name, value)) is None
    ((name, value),) = enter(server, book).cookies.items()
    assert role(server, (name, value)) == "learner"
    assert role(server, (name, value), **TLS) is None


def test_a_socket_behind_tls_knows_the_cookie_made_there(start: Callable[..., Any]) -> None:
    server, book = start(trusted_proxies="127.0.0.1")
    ((name, value),) = enter(server, book, **TLS).cookies.items()
    address, cookie = f"{server.replace('http', 'ws')}/api/watch", {"Cookie": f"{name}={value}"}
    with connect(address, additional_headers={**cookie, **TLS}, proxy=None):
        pass
    with pytest.raises(InvalidStatus):
        connect(address, additional_headers=cookie, proxy=None)


@pytest.mark.parametrize("trusted", ["", NOBODY])
def test_what_anybody_else_says_changes_nothing(start: Callable[..., Any], trusted: str) -> None:
    server, book = start(trusted_proxies=trusted)
    said = enter(server, book, **TLS).headers["set-cookie"]
    assert said.startswith(f"{COOKIE}=")
    assert "Secure" not in said
    forged = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example", "Accept": "text/html"}
    answer = httpx.get(f"{server}/", headers=forged)
    assert answer.status_code == 200
    assert "/evil" not in answer.text
    refused = httpx.get(f"{server}/", headers={"Host": "evil.example", "X-Forwarded-Host": "localhost"})
    assert refused.status_code == 403
    tries = door.PER_ADDRESS.amount
    assert [wrong(server, **{"X-Forwarded-For": f"198.51.100.{i}"}) for i in range(tries)] == [401] * tries
    assert wrong(server, **{"X-Forwarded-For": "198.51.100.250"}) == 429


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8, ::1"])
def test_wrong_keys_are_counted_by_the_address_that_a_trusted_proxy_saw(
    start: Callable[..., Any], trusted: str
) -> None:
    server, _ = start(trusted_proxies=trusted)
    for i in range(door.PER_ADDRESS.amount):  # what the client itself said stands before what the proxy saw
        assert wrong(server, **{"X-Forwarded-For": f"198.51.100.{i}, 203.0.113.7"}) == 401
    assert wrong(server, **{"X-Forwarded-For": "203.0.113.7"}) == 429
    assert wrong(server, **{"X-Forwarded-For": "203.0.113.8"}) == 401


def test_a_trusted_proxy_says_by_which_name_it_was_asked(start: Callable[..., Any]) -> None:
    server, book = start(trusted_proxies="127.0.0.1", allowed_hosts="lab.example")
    inside = {"Host": "10.9.8.7:8000", **TLS}
    for host, origin, status in (
        ("lab.example", "https://lab.example", 200),
        ("evil.example, lab.example", "https://lab.example", 200),  # one that adds to what it was told
        ("lab.example, evil.example", "https://evil.example", 403),
        ("lab.example", "https://evil.example", 403),
        ("lab.example", "http://lab.example", 403),  # a page that anybody in the network can write
        ("evil.example", "https://evil.example", 403),
    ):
        _, token = book.new_key("learner")
        answer = httpx.post(
            f"{server}/api/enter",
            json={"key": token},
            headers={**inside, "X-Forwarded-Host": host, "Origin": origin},
        )
        assert answer.status_code == status, (host, origin)


def test_whoever_comes_by_a_proxy_is_asked_for_a_key() -> None:
    assert not Settings().guarded
    assert Settings(trusted_proxies="127.0.0.1").guarded
    assert not Settings(trusted_proxies="127.0.0.1", no_auth=True).guarded


def test_the_public_address_is_the_name_that_the_proxy_is_asked_by() -> None:
    behind = Settings(trusted_proxies="127.0.0.1", allowed_hosts="lab.example, other", root_path="/descent")
    assert behind.public_address == "https://lab.example/descent/"
    assert not Settings(allowed_hosts="lab.example").public_address
    assert not Settings(trusted_proxies="127.0.0.1").public_address


@pytest.mark.parametrize("value", ["localhost", "*", "10.0.0.1/8", "127.0.0.1;::1"])
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=value)
