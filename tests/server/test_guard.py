import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from descent.errors import TooLarge
from descent.settings import Settings
from descent.web.guard import SECURITY_HEADERS, Guard

LIMIT = 1024


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


routes = [Route("/", echo, methods=["GET", "POST"]), WebSocketRoute("/socket", greet)]


def guarded(uploads=None, **settings):
    return Guard(Starlette(routes=routes), Settings(max_body=LIMIT, **settings), uploads)


async def ask(method="GET", headers=None, content=None, url="http://localhost:8000/", **settings):
    transport = httpx.ASGITransport(guarded(**settings))
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(method, url, headers=headers, content=content)


async def open_socket(headers, **settings):
    """What the server says to a client that opens a WebSocket."""
    said = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        said.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": "/socket", "headers": raw, "query_string": b"", "subprotocols": []}
    await guarded(**settings)(scope, receive, send)
    return said


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST", "10.0.0.7:80", "lab.example"],
)
async def test_it_answers_to_its_own_names(host):
    answer = await ask(headers={"Host": host}, host="10.0.0.7", allowed_hosts="Lab.example, other")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::1",
        "evil@localhost@x",
        "0x7f.1",
        "localhost#.evil.com",
        "127.0.0.1/evil",
        "evil.com@127.0.0.1",
        "localhost:80:80",
        "localhost:",
        "localhost:port",
        "localhost ",
        "::1",
    ],
)
async def test_it_answers_to_no_other_name(host):
    answer = await ask(headers={"Host": host})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not-allowed"
    assert answer.json()["field"] == "Host"
    (refusal,) = await open_socket({"host": host})
    assert refusal["type"] == "websocket.close"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:9000",
        "http://localhost",
        "null",
        "",
        "http://[",
        "localhost:8000",
        "ftp://localhost:8000",
        "chrome-extension://localhost:8000",
        "http://localhost:8000/",
        "://localhost:8000",
    ],
)
async def test_pages_from_elsewhere_may_not_ask(origin):
    answer = await ask("POST", headers={"Host": "localhost:8000", "Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["field"] == "Origin"
    (refusal,) = await open_socket({"host": "localhost:8000", "origin": origin})
    assert refusal["type"] == "websocket.close"
    assert refusal["code"] == 1008


async def test_its_own_page_and_clients_that_are_no_page_may_ask():
    assert (
        await ask(headers={"Host": "localhost:8000", "Origin": "http://localhost:8000"})
    ).status_code == 200
    for headers in (
        {"host": "localhost:8000"},
        {"host": "localhost:8000", "origin": "http://localhost:8000"},
    ):
        said = await open_socket(headers)
        assert [message["type"] for message in said][:2] == ["websocket.accept", "websocket.send"]


async def test_two_origins_are_none():
    own = ("Origin", "http://localhost:8000")
    answer = await ask("POST", headers=[("Host", "localhost:8000"), own, own])
    assert (answer.status_code, answer.json()["field"]) == (403, "Origin")


@pytest.mark.parametrize(
    ("method", "mode", "status"),
    [("GET", "navigate", 200), ("GET", "no-cors", 403), ("GET", "", 403), ("POST", "navigate", 403)],
)
async def test_pages_of_other_sites_may_lead_here_and_no_more(method, mode, status):
    headers = {"Host": "localhost", "Sec-Fetch-Site": "cross-site"} | (
        {"Sec-Fetch-Mode": mode} if mode else {}
    )
    assert (await ask(method, headers=headers)).status_code == status
    (refusal,) = await open_socket({"host": "localhost", "sec-fetch-site": "cross-site"})
    assert refusal["type"] == "websocket.close"
    for site in ("same-origin", "same-site", "none"):
        assert (await ask(method, headers={**headers, "Sec-Fetch-Site": site})).status_code == 200


async def test_behind_a_proxy_that_drops_the_port_the_name_is_allowed_with_it_or_the_refusal_says_so():
    headers = {"Host": "lab.example", "Origin": "https://lab.example:8443"}
    answer = await ask("POST", headers=headers, allowed_hosts="lab.example")
    assert answer.status_code == 403
    for word in ("$http_host", "ALLOWED_HOSTS", "'lab.example'"):
        assert word in answer.json()["detail"]
    answer = await ask("POST", headers=headers, allowed_hosts="lab.example:8443")
    assert answer.status_code == 200
    answer = await ask(
        "POST", headers={**headers, "Origin": "https://lab.example:9"}, allowed_hosts="lab.example:8443"
    )
    assert answer.status_code == 403


async def test_a_browser_gets_a_page_that_says_what_to_set():
    headers = {"Host": "192.168.1.5:8000", "Accept": "text/html,*/*"}
    answer = await ask(headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "DESCENT_ALLOWED_HOSTS=192.168.1.5<" in answer.text
    assert "키를 묻지 않으므로" in answer.text
    answer = await ask(headers={**headers, "Host": "<script>alert(1)</script>"})
    assert answer.status_code == 403
    assert "<script>" not in answer.text


async def test_two_hosts_are_none():
    answer = await ask(headers=[("Host", "localhost"), ("Host", "localhost")])
    assert answer.status_code == 403


async def test_a_body_within_the_limit_arrives_whole():
    answer = await ask("POST", content=b"x" * LIMIT)
    assert answer.content == b"x" * LIMIT


async def test_a_body_over_the_limit_is_refused_by_its_announced_length():
    answer = await ask("POST", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "too-large"
    assert answer.json()["params"] == {"limit": LIMIT}


async def chunks(count):
    for _ in range(count):
        yield b"x" * 512


async def test_a_body_in_chunks_is_counted_as_it_comes():
    assert (await ask("POST", content=chunks(2))).content == b"x" * 1024
    answer = await ask("POST", content=chunks(1000))
    assert answer.status_code == 413


async def test_an_upload_has_a_limit_of_its_own_and_is_not_read_ahead():
    uploads = {"/": 8 * LIMIT}
    answer = await ask("POST", content=chunks(16), uploads=uploads)
    assert answer.content == b"x" * 8 * LIMIT
    answer = await ask("POST", content=b"x" * (8 * LIMIT + 1), uploads=uploads)
    assert answer.status_code == 413
    assert answer.json()["params"] == {"limit": 8 * LIMIT}

    asked, seen = 0, []

    async def receive():
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * LIMIT, "more_body": True}

    async def app(scope, receive, send):
        seen.append(asked)
        for _ in range(8):
            await receive()
        with pytest.raises(TooLarge):
            await receive()

    scope = {
        "type": "http",
        "path": "/",
        "headers": [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")],
    }
    await Guard(app, Settings(max_body=LIMIT), uploads)(scope, receive, None)
    assert (seen, asked) == ([0], 9)


@pytest.mark.parametrize("length", [b"-1", b"ten", b"1e3", b"", b"\xb2"])
async def test_a_length_that_is_no_number_is_refused(length):
    answer = await ask("POST", headers={"Content-Length": length}, content=b"x")
    assert answer.status_code == 413


async def test_every_answer_carries_the_security_headers():
    for answer in (await ask(), await ask(headers={"Host": "evil"}), await ask("POST", content=b"x" * 2000)):
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
