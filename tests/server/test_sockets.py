"""Peers that stop reading or sending, leave without a word, or are too many: real sockets, a real server."""

import asyncio
import json
import logging
import socket
import struct
import time

import httpx
import pytest

from descent import wire
from descent.web import sockets
from descent.web.sockets import Stream

pytestmark = pytest.mark.slow

PATIENCE = 0.3  # seconds


@pytest.fixture
def connect():
    """Call it with a server's address for a socket to it, which reads `room` bytes ahead at most."""
    opened = []

    def connect(server, room=None):
        one = socket.socket()
        if room:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        one.settimeout(20)
        one.connect(("127.0.0.1", int(server.rpartition(":")[2])))
        opened.append(one)
        return one

    yield connect
    for one in opened:
        one.close()


def watch(one, run):
    """Make a viewer of a socket."""
    one.sendall(
        f"GET /api/runs/{run}/stream HTTP/1.1\r\nHost: localhost\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert one.recv(12) == b"HTTP/1.1 101"


def everything(one):
    """All that comes until the server closes."""
    received = b""
    while data := one.recv(1 << 16):
        received += data
    return received


def reset(one):
    """Leave without a word."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def run_with_history(live_server):
    """Call it for a server, and a paused run that has said so much that no socket takes it all at once."""

    def make(messages=1000, **settings):
        server = live_server(**settings)
        run = httpx.post(f"{server}/api/runs", json={"experiment": "tiny", "paused": True}).json()["id"]
        channel = live_server.manager.runs[run].channel
        until(lambda: live_server.manager.runs[run].status == "paused")
        columns = {f"scalar/{number}": [0.5] * 8 for number in range(100)}
        for step in range(messages):
            seq = channel.last_seq + 1
            frame = wire.encode_scalars(run, seq, range(8 * step, 8 * step + 8), columns)
            channel.tape.append(seq, frame, binary=True)
        return server, run

    return make


def streams(live_server):
    return [one for one in live_server.server.server_state.connections if isinstance(one, Stream)]


def test_a_viewer_that_reads_nothing_is_cut_off(run_with_history, live_server, connect):
    server, run = run_with_history(send_timeout=PATIENCE)
    deaf = connect(server, room=4096)
    watch(deaf, run)
    until(lambda: not streams(live_server))
    with pytest.raises(ConnectionResetError):
        everything(deaf)


def test_a_viewer_that_reads_slowly_is_not(run_with_history, live_server, connect, monkeypatch):
    monkeypatch.setattr(sockets, "UNREAD", 8192)
    server, run = run_with_history(send_timeout=PATIENCE)
    slow = connect(server, room=4096)
    watch(slow, run)
    received = 0
    begin = time.monotonic()
    while time.monotonic() < begin + 4 * PATIENCE:
        received += len(slow.recv(1 << 14))
        time.sleep(PATIENCE / 100)
    assert received < 5_000_000  # so that it had to wait for it
    assert len(streams(live_server)) == 1


def test_an_answer_that_is_not_read_is_cut_off(run_with_history, live_server, connect):
    server, run = run_with_history(send_timeout=PATIENCE, request_timeout=60)
    deaf = connect(server, room=4096)
    deaf.sendall(f"GET /api/runs/{run}/scalars HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert deaf.recv(12) == b"HTTP/1.1 200"
    until(lambda: not live_server.server.server_state.connections)


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_viewers_that_leave_while_much_is_sent_are_let_go_quietly(
    run_with_history, live_server, connect, caplog, leave
):
    server, run = run_with_history()
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            viewer = connect(server)
            watch(viewer, run)
            leave(viewer)
        until(lambda: not streams(live_server))
        until(lambda: not live_server.manager.runs[run].channel.viewers)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "no request came within 0.3 s"),
        (b"GET /api/health HTTP/1.1\r\nHost: loc", "no request came within 0.3 s"),
        (
            b"POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
            "the body did not go on within 0.3 s",
        ),
        (
            b"POST /api/runs/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nPK",
            "the body did not go on within 0.3 s",
        ),
    ],
)
def test_a_request_that_does_not_come_to_its_end_is_answered_and_closed(live_server, connect, sent, why):
    server = live_server(request_timeout=PATIENCE)
    slow = connect(server)
    slow.sendall(sent)
    head, _, body = everything(slow).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(body)["detail"] == why


def test_half_a_second_request_is_not_waited_for_either(live_server, connect):
    server = live_server(request_timeout=PATIENCE)
    slow = connect(server)
    slow.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/he")
    answers = everything(slow)
    assert answers.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answers


def test_a_body_that_goes_on_is_waited_for(live_server, connect, monkeypatch):
    monkeypatch.setattr(sockets, "LEAST", 1)
    server = live_server(request_timeout=PATIENCE)
    slow = connect(server)
    body = b'{"experiment": "tiny", "paused": true}'
    slow.sendall(
        b"POST /api/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    for byte in body:
        slow.sendall(bytes([byte]))
        time.sleep(PATIENCE / 10)
    assert everything(slow).startswith(b"HTTP/1.1 201")


def test_more_connections_than_allowed_are_told_so_and_let_in_when_there_is_room(
    live_server, connect, caplog
):
    server = live_server(connections=2)
    first, _ = connect(server), connect(server)
    until(lambda: len(live_server.server.server_state.connections) == 2)
    third = connect(server)
    third.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head, _, body = everything(third).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert json.loads(body)["code"] == "too-many-connections"
    first.close()
    until(lambda: len(live_server.server.server_state.connections) == 1)
    assert httpx.get(f"{server}/api/health").status_code == 200


def test_so_many_that_they_cannot_be_told_are_cut_off(live_server, connect, monkeypatch):
    monkeypatch.setattr(sockets, "REFUSED", 1)
    server = live_server(connections=1)
    three = [connect(server) for _ in range(3)]
    with pytest.raises(ConnectionResetError):
        everything(three[2])


@pytest.mark.parametrize("setting", ["viewers_per_run", "viewers"])
def test_more_viewers_than_allowed_are_told_so(live_server, connect, setting):
    server = live_server(**{setting: 1})
    runs = [
        httpx.post(f"{server}/api/runs", json={"experiment": "tiny", "paused": True}).json()["id"]
        for _ in range(2)
    ]
    watch(connect(server), runs[0])
    until(lambda: live_server.manager.runs[runs[0]].channel.viewers)
    second = connect(server)
    watch(second, runs[0] if setting == "viewers_per_run" else runs[1])
    told = b""
    while b"\x03\xf5" not in told:  # 1013
        told += second.recv(1 << 16)
    assert b'"code":"too-many-viewers"' in told
    assert struct.pack("!H", 1013) + b"1 viewers watch " in told
    assert setting.upper().encode() in told


def test_no_more_connections_are_let_in_than_files_may_be_open(monkeypatch, tiny_settings, caplog):
    monkeypatch.setattr(sockets, "_files", lambda: 256)
    http, stream = sockets.protocols(tiny_settings(max_live=4, connections=500))
    assert http.limits == stream.limits
    assert http.limits.connections == 256 - sockets.OTHER_FILES - 4 * sockets.FILES_PER_RUN
    assert "256 files may be open here: at most 96 connections" in caplog.text


async def test_who_has_left_is_cut_off_quietly():
    here, there = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=here)
    transport.abort()
    await asyncio.sleep(0)
    assert here.fileno() < 0
    sockets.cut_off(transport)
    there.close()
