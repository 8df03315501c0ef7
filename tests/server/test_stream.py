"""The stream, against a real server in a thread (see `conftest.live_server`) and a real WebSocket client."""

import asyncio
import contextlib
import json
import socket
import struct

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from descent import wire
from descent.protocol import VERSION
from descent.web.stream import MISTAKES
from tiny import Tiny

pytestmark = pytest.mark.slow


class Client:
    """A client of one run's stream. `seq` is the last it has seen of what must not be lost."""

    def __init__(self, connection):
        self.connection = connection
        self.seq = 0
        self.steps = []
        self.events = []

    async def send(self, **command):
        await self.connection.send(json.dumps(command))

    async def read(self):
        """The next message: an event or a frame."""
        async with asyncio.timeout(20):
            message = await self.connection.recv()
        if isinstance(message, str):
            event = json.loads(message)
            if "seq" in event and event["type"] != "hello":
                self.seq = event["seq"]
            self.events.append(event)
            return event
        frame = wire.decode(message)
        if frame.type == "scalars":
            self.seq = frame.seq
            self.steps += frame.arrays["step"].tolist()
        return frame

    async def until(self, condition):
        """Read until a message meets `condition`, and return it."""
        while True:
            message = await self.read()
            if condition(message):
                return message

    async def event(self, type, **fields):
        """Read until such an event comes."""

        def is_it(message):
            return isinstance(message, dict) and message.items() >= {"type": type, **fields}.items()

        return await self.until(is_it)

    async def frame(self, panel):
        return await self.until(lambda message: getattr(message, "panel", None) == panel)

    async def closed(self):
        """Read until the server closes; its close code and reason."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.read()
        return self.connection.close_code, self.connection.close_reason


@pytest.fixture
def server(live_server):
    return live_server()


async def new_run(server, **body):
    async with httpx.AsyncClient(base_url=server) as api:
        answer = await api.post("/api/runs", json={"experiment": "tiny", **body})
        return answer.json()["id"]


@contextlib.asynccontextmanager
async def viewing(server, run, since=None, **options):
    query = "" if since is None else f"?since={since}"
    async with connect(
        f"{server.replace('http', 'ws')}/api/runs/{run}/stream{query}", proxy=None, **options
    ) as connection:
        yield Client(connection)


async def test_hello_comes_first_and_shows_the_run(server):
    run = await new_run(server, paused=True, seed=5)
    async with viewing(server, run) as client:
        hello = await client.read()
        assert hello["type"] == "hello"
        assert hello["protocol"] == VERSION
        assert hello["run"]["id"] == run
        assert hello["run"]["seed"] == 5
        assert hello["seq"] >= 1


async def test_the_whole_history_is_told_and_every_step_once(server):
    run = await new_run(server, max_steps=500)
    async with viewing(server, run) as client:
        await client.event("state", status="finished")
        assert client.steps == list(range(500))
        states = [event["status"] for event in client.events if event["type"] == "state"]
        assert states == ["queued", "starting", "running", "finished"]


async def test_only_watched_panels_are_computed_and_sent(live_server):
    server = live_server(record=False)
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.send(type="watch", panels=["outputs", "loss"])
        frame = await client.frame("outputs")
        assert frame.kind == "bars"
        assert frame.arrays["values"].shape == (1, 4)
        later = await client.frame("outputs")
        assert later.step > frame.step
        async with httpx.AsyncClient(base_url=server) as api:
            assert (await api.get(f"/api/runs/{run}/frames/weights")).status_code == 404


async def test_knobs_take_effect_at_the_step_the_event_names(server):
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.until(lambda message: getattr(message, "type", "") == "scalars")
        await client.send(type="knobs", knobs={"lr": 0.25})
        event = await client.event("knobs")
        assert event["knobs"] == {"lr": 0.25}
        frame = await client.until(lambda message: getattr(message, "step", -1) >= event["step"])
        at = frame.arrays["step"].tolist().index(event["step"])
        assert frame.arrays["lr"][at] == 0.25


async def test_knobs_dragged_fast_all_arrive_in_order(server):
    run = await new_run(server)
    async with viewing(server, run) as client:
        for value in range(1, 101):
            await client.send(type="knobs", knobs={"lr": value / 1000})
        await client.event("knobs", knobs={"lr": 0.1})
        told = [event["knobs"]["lr"] for event in client.events if event["type"] == "knobs"]
        assert told == [value / 1000 for value in range(1, 101)]


async def test_a_tagged_command_is_answered_to_its_client_alone_after_what_it_changed(server):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client, viewing(server, run) as other:
        await client.send(type="knobs", knobs={"lr": 0.25}, tag="a")
        await client.send(type="knobs", knobs={"lr": -1}, tag="b")
        await client.send(type="knobs", knobs={"lr": 0.5}, tag="c")
        assert (await client.event("error"))["tag"] == "b"
        await client.event("done", tag="c")
        told = [(event["type"], event.get("tag")) for event in client.events]
        assert told.index(("done", "a")) > told.index(("knobs", None))
        knobs = [place for place, event in enumerate(client.events) if event["type"] == "knobs"]
        assert told.index(("done", "c")) > knobs[1]
        await other.event("knobs", knobs={"lr": 0.5})
        await other.send(type="knobs", knobs={"lr": 0.75}, tag="mine")
        await other.event("done", tag="mine")
        assert {event.get("tag") for event in other.events} == {None, "mine"}


async def test_pause_step_resume_pace_and_stop(server):
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.until(lambda message: getattr(message, "step", -1) >= 0)
        await client.send(type="pause")
        paused = await client.event("state", status="paused")
        assert paused["reason"] == "user"
        assert client.steps[-1] == paused["step"] - 1
        await client.send(type="step", steps=3)
        await client.until(lambda message: getattr(message, "step", -1) == paused["step"] + 2)
        await client.send(type="pace", steps_per_second=1000)
        await client.event("state", pace=1000)
        await client.send(type="resume")
        await client.event("state", status="running")
        await client.send(type="stop")
        await client.event("state", status="stopped")
        assert client.steps == list(range(client.steps[-1] + 1))


async def test_a_client_that_comes_back_misses_no_step(server):
    run = await new_run(server, max_steps=3000)
    steps, seq = [], 0
    while True:
        async with viewing(server, run, since=seq) as client:
            with contextlib.suppress(IndexError):
                await client.until(
                    lambda message, client=client: (
                        len(client.steps) >= 500 or client.events[-1].get("status") == "finished"
                    )
                )
            steps += client.steps
            seq = client.seq or seq
            if client.events[-1].get("status") == "finished":
                break
    assert steps == list(range(3000))


async def test_a_client_that_comes_back_gets_the_latest_picture_of_each_panel(server):
    run = await new_run(server, max_steps=50)
    async with viewing(server, run) as client:
        await client.event("state", status="finished")
        seq = client.seq
    async with viewing(server, run, since=seq) as client:
        await client.send(type="watch", panels=["weights", "outputs"])
        frames = [await client.frame("outputs"), await client.frame("weights")]
        assert [frame.step for frame in frames] == [50, 50]
        assert client.steps == []


@pytest.mark.parametrize("since", [-5, 10**9])
async def test_a_since_that_never_was_is_taken_for_the_nearest(server, since):
    run = await new_run(server, paused=True)
    async with viewing(server, run, since=since) as client:
        await client.send(type="step", steps=1)
        await client.until(lambda message: getattr(message, "type", "") == "scalars")
        assert client.steps == [0]


async def test_a_client_that_acks_is_sent_no_more_than_it_draws(server):
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.send(type="ack", seq=0)
        await client.send(type="watch", panels=["weights"], max_fps=60)
        pictures = 0
        while len(client.steps) < 3000:
            pictures += getattr(await client.read(), "type", "") == "panel"
        assert pictures <= 2
        await client.send(type="ack", seq=10**9)
        await client.frame("weights")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "message"),
        ("{", "message"),
        ("[]", "message"),
        ("3", "message"),
        ("{}", "message"),
        ('{"type": "dance"}', "message"),
        ('{"type": "watch"}', "watch.panels"),
        ('{"type": "watch", "panels": "all"}', "watch.panels"),
        ('{"type": "watch", "panels": [1]}', "watch.panels.0"),
        ('{"type": "watch", "panels": [], "max_fps": 0}', "watch.max_fps"),
        ('{"type": "watch", "panels": [], "max_fps": NaN}', "watch.max_fps"),
        ('{"type": "watch", "panels": [], "speed": 1}', "watch.speed"),
        ('{"type": "step", "steps": 0}', "step.steps"),
        ('{"type": "step", "steps": 1e9}', "step.steps"),
        ('{"type": "pace"}', "pace.steps_per_second"),
        ('{"type": "ack", "seq": -1}', "ack.seq"),
        ('{"type": "knobs", "knobs": [1]}', "knobs.knobs"),
    ],
)
async def test_a_bad_command_is_answered_naming_the_field(server, text, field):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client:
        await client.connection.send(text)
        error = await client.event("error")
        assert error["code"] == "bad-field"
        assert error["field"] == field
        assert error["detail"]
        await client.send(type="step")
        await client.until(lambda message: getattr(message, "step", -1) == 0)


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        ({"type": "watch", "panels": ["nope"]}, "unknown-panel", "panels"),
        ({"type": "knobs", "knobs": {"speed": 1}}, "bad-knob", "speed"),
        ({"type": "knobs", "knobs": {"lr": -1}}, "bad-knob", "lr"),
        ({"type": "knobs", "knobs": {"word": "no"}}, "bad-knob", "word"),
        ({"type": "knobs", "knobs": {"size": 4}}, "fixed-knob", "size"),
        ({"type": "step"}, "wrong-state", "status"),
    ],
)
async def test_a_command_that_cannot_be_done_is_answered_and_the_run_goes_on(server, command, code, field):
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.event("state", status="running")
        await client.send(**command)
        error = await client.event("error")
        assert (error["code"], error["field"]) == (code, field)
        steps = len(client.steps)
        await client.until(lambda message: len(client.steps) > steps)


async def test_a_client_that_only_makes_mistakes_is_sent_away(server):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client:
        for _ in range(MISTAKES):
            await client.send(type="dance")
        assert (await client.closed())[0] == 1008
        assert sum(event["type"] == "error" for event in client.events) == MISTAKES


async def test_a_learner_may_type_as_many_bad_values_as_he_likes(server):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client:
        for _ in range(2 * MISTAKES):
            await client.send(type="knobs", knobs={"lr": -1})
            await client.event("error")
        await client.send(type="knobs", knobs={"lr": 0.5})
        assert (await client.event("knobs"))["knobs"] == {"lr": 0.5}


async def test_binary_commands_are_not_understood(server):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client:
        await client.connection.send(b"\x00\x01")
        assert await client.closed() == (1003, "commands are JSON text, not binary")


async def test_a_message_too_large_is_not_read(server):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client:
        await client.connection.send("x" * 300_000)
        assert await client.closed() == (1009, "a message is over 262144 bytes")


async def test_text_that_is_no_unicode_closes_the_socket(server):
    run = await new_run(server, paused=True)
    async with viewing(server, run) as client:
        await client.connection.send(b"\xff\xfe", text=True)
        assert (await client.closed())[0] == 1007


async def test_an_unknown_run_is_told_and_closed(server):
    async with viewing(server, "nope") as client:
        error = await client.event("error")
        assert error["code"] == "unknown-run"
        assert await client.closed() == (4404, "there is no such run")


async def test_viewers_of_a_deleted_run_are_let_go(server):
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.event("state", status="running")
        async with httpx.AsyncClient(base_url=server) as api:
            await api.delete(f"/api/runs/{run}")
        assert await client.closed() == (4404, "the run was deleted")


async def test_pages_from_elsewhere_cannot_open_a_stream(server):
    run = await new_run(server, paused=True)
    port = server.rpartition(":")[2]
    foreign_page = viewing(server, run, origin="http://evil.example")
    foreign_name = viewing(f"http://evil.example:{port}", run, host="127.0.0.1", port=int(port))
    for opening in (foreign_page, foreign_name):
        with pytest.raises(InvalidStatus) as refused:
            async with opening:
                pass
        assert refused.value.response.status_code == 403


async def test_what_is_watched_ends_with_the_viewer(live_server):
    server = live_server(record=False)  # or the recorder looks, once a second
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.send(type="watch", panels=["weights"])
        await client.frame("weights")
    async with viewing(server, run) as client:
        await client.until(
            lambda message: getattr(message, "type", "") == "scalars" and len(client.steps) > 100
        )
        seen: list[str] = []  # the step of the last picture, each thousand steps
        async with httpx.AsyncClient(base_url=server) as api:
            while len(seen) < 2 or seen[-1] != seen[-2]:  # until it is no longer looked at
                assert len(seen) < 100, seen
                enough = len(client.steps) + 1000
                await client.until(lambda message: len(client.steps) > enough)  # noqa: B023
                frame = await api.get(f"/api/runs/{run}/frames/weights")
                seen.append(frame.headers["x-step"])


async def test_a_client_that_never_reads_is_let_go_and_training_goes_on(live_server, monkeypatch):
    def step(self, knobs):  # so many scalars that the sockets' buffers are soon full
        return {f"scalar/{number}": 0.5 for number in range(200)}

    monkeypatch.setattr(Tiny, "step", step)
    server = live_server(send_timeout=0.5, record=False)  # the recorder would look, too
    run = await new_run(server)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", int(server.rpartition(":")[2])))
    deaf.sendall(
        f"GET /api/runs/{run}/stream HTTP/1.1\r\nHost: localhost\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert deaf.recv(12) == b"HTTP/1.1 101"
    watch = json.dumps({"type": "watch", "panels": ["weights"]}).encode()
    mask = bytes(4)
    deaf.sendall(struct.pack("!BB", 0x81, 0x80 | len(watch)) + mask + watch)
    async with httpx.AsyncClient(base_url=server) as api, asyncio.timeout(60):
        shown = trained = 0
        # Once the deaf client is let go nobody watches the panel, and its picture gets no newer.
        while not 0 < shown < trained - 3000:
            shown = int((await api.get(f"/api/runs/{run}/frames/weights")).headers.get("x-step", 0))
            trained = (await api.get(f"/api/runs/{run}")).json()["step"]
        await api.post(f"/api/runs/{run}/stop")
        table = (await api.get(f"/api/runs/{run}/scalars")).json()
    assert table["step"] == list(range(len(table["step"])))
    assert len(table["step"]) >= trained
    deaf.close()


async def test_shutdown_closes_open_streams(live_server):
    server = live_server()
    run = await new_run(server)
    async with viewing(server, run) as client:
        await client.event("state", status="running")
        live_server.stop()
        assert (await client.closed())[0] == 1012
