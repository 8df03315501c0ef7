"""Scripts with a training loop of their own: what they say to a server, and what neither must suffer from."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch import nn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import descent
from conftest import LiveServers
from descent import wire
from descent.contract.panels import Heatmap
from descent.declared import Declaration, DeclaredKnob, DeclaredPanel
from descent.declared.messages import DELETED, LARGEST_FRAME, OTHER_VERSION, REFUSED, Hello
from descent.watching.run import WatchedRun

pytestmark = pytest.mark.slow

WITHIN = 30.0  # seconds
KEY = "a key of a script"
KNOB = DeclaredKnob(name="lr", title="Learning rate", type="float", default=0.1, low=1e-3, high=1.0, log=True)
CHART = DeclaredPanel(name="loss", kind="scalars", title="Loss", size="hero", series={"loss": "loss"})
MAP = DeclaredPanel(name="map", kind="heatmap", title="Map")
TOLD = Declaration(name="a run", knobs=[KNOB], panels=[CHART, MAP])


def until(found: Callable[[], Any]) -> Any:
    """What is found, once it is there."""
    deadline = time.monotonic() + WITHIN
    while not (there := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return there


@pytest.fixture
def server(live_server: LiveServers) -> str:
    return live_server()


def greet(server: str, **hello: Any) -> tuple[ClientConnection, dict[str, Any]]:
    """A script's connection, and the server's first answer."""
    link = connect(server.replace("http", "ws") + "/api/watch", proxy=None).__enter__()
    told = Hello(declaration=TOLD, key=KEY).model_dump(mode="json") | hello
    link.send(json.dumps(told))
    return link, json.loads(link.recv(WITHIN))


def state(status: str = "running", step: int = 0) -> str:
    return json.dumps({"type": "state", "seq": 0, "step": step, "status": status})


def scalars(*steps: int, **columns: float) -> bytes:
    values = columns or {"loss": 1.0}
    return wire.encode_scalars("", 0, steps, {name: [value] * len(steps) for name, value in values.items()})


def picture(values: np.ndarray, panel: str = "map", step: int = 1) -> bytes:
    return wire.encode_picture("", 0, step, panel, Heatmap(values=values))


def info(server: str, run: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server}/api/runs/{run}").json()
    return found


def losses(server: str, run: str) -> list[int]:
    found: list[int] = httpx.get(f"{server}/api/runs/{run}/scalars").json()["step"]
    return found


def refusal(link: ClientConnection) -> str:
    """What the server refuses, passing over commands."""
    while (told := json.loads(link.recv(WITHIN)))["type"] != "refused":
        pass
    return str(told["detail"])


def wait_for_end(link: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        for _ in link:
            pass


def test_a_script_s_run_is_one_like_others_and_opens_later(live_server: LiveServers) -> None:
    server = live_server()
    link, welcome = greet(server)
    run = welcome["run"]
    with link:
        link.send(state())
        link.send(scalars(0, 1, 2))
        link.send(picture(np.eye(3, dtype=np.float32)))
        until(lambda: info(server, run)["step"] == 3)
        shown = until(lambda: httpx.get(f"{server}/api/runs/{run}/frames/map").content)
        assert wire.decode(shown).arrays["values"].tolist() == np.eye(3).tolist()
        assert wire.decode(shown).run == run
        link.send(state("finished", 3))
        until(lambda: info(server, run)["status"] == "finished")
    described = httpx.get(f"{server}/api/runs/{run}/experiment", params={"lang": "ko"}).json()
    assert described["knobs"]["properties"]["lr"]["title"] == "학습률"
    assert [panel["name"] for panel in described["panels"]] == ["loss", "map"]
    live_server.stop()
    live_server.join()
    again = live_server()  # another server on the same store
    assert httpx.get(f"{again}/api/runs/{run}/experiment").json()["title"] == "a run"
    assert losses(again, run) == [0, 1, 2]


def test_another_version_is_refused_and_says_so(server: str) -> None:
    link, answer = greet(server, protocol=99)
    with link:
        assert "version 99" in answer["detail"]
        with pytest.raises(ConnectionClosed):
            link.recv(WITHIN)
        assert link.close_code == OTHER_VERSION


@pytest.mark.parametrize(
    ("hello", "why"),
    [
        ({"declaration": {"name": "x", "knobs": [{"name": "1"}]}}, "declaration.knobs.0.name"),
        ({"declaration": {"name": "x", "panels": [{"name": "a", "kind": "film", "title": ""}]}}, "film"),
        ({"key": ""}, "key"),
        ({"more": 1}, "more"),
    ],
)
def test_a_hello_that_cannot_be_understood_is_refused(hello: dict[str, Any], why: str, server: str) -> None:
    link, answer = greet(server, **hello)
    with link:
        assert why in answer["detail"]
        with pytest.raises(ConnectionClosed):
            link.recv(WITHIN)
        assert link.close_code == REFUSED


def head(**metadata: str) -> bytes:
    return save({"values": np.eye(2, dtype=np.float32)}, metadata)


BAD_FRAMES = {
    "nothing": (b"\0" * 7, "cannot be read"),
    "no frame": (b"\xff" * 64, "cannot be read"),
    "a pickle": (b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00", "cannot be read"),
    "no metadata": (save({"values": np.eye(2, dtype=np.float32)}), "cannot be read"),
    "another type": (head(type="sweep", run="", seq="0", step="0"), "type 'sweep'"),
    "an unknown panel": (picture(np.eye(2), "mop"), "no panel 'mop'"),
    "too many dimensions": (
        save(
            {"values": np.zeros((1, 2, 2), np.float32)},
            {"type": "panel", "run": "", "seq": "0", "step": "1", "panel": "map", "kind": "heatmap"}
            | {
                "meta": json.dumps({"rows": [], "columns": [], "x_label": "", "y_label": ""})[:-1]
                + ', "scale": "sequential", "range": null, "annotate": false, "texts": []}'
            },
        ),
        "dimensions",
    ),
    "what its kind does not have": (
        save(
            {"values": np.eye(2, dtype=np.float32)},
            {"type": "panel", "run": "", "seq": "0", "step": "1", "panel": "map", "kind": "heatmap"}
            | {"meta": '{"html": "<script>"}'},
        ),
        "cannot be read",
    ),
    "steps that fall": (scalars(5, 4), "rise"),
    "an unprintable name": (scalars(0, **{"a\nb": 1.0}), "no name"),
    "too many scalars": (scalars(0, **{f"s{n}": 1.0 for n in range(300)}), "at most 256"),
    "too much": (picture(np.zeros((600, 600), np.float32)), f"at most {LARGEST_FRAME}"),
}


@pytest.mark.parametrize("what", BAD_FRAMES)
def test_a_bad_frame_is_refused_and_the_run_goes_on(what: str, server: str) -> None:
    frame, why = BAD_FRAMES[what]
    link, welcome = greet(server)
    with link:
        link.send(state())
        link.send(frame)
        assert why in refusal(link)
        link.send(scalars(0))
        until(lambda: info(server, welcome["run"])["step"] == 1)


@pytest.mark.parametrize(
    "said",
    [
        "no json",
        '{"type": "state", "seq": 0, "step": 1, "status": "queued"}',
        '{"type": "state", "seq": 0, "step": NaN, "status": "running"}',
        '{"type": "knobs", "seq": 0, "step": 1, "knobs": {"mop": 1}, "now": {}}',
        '{"type": "diagnosis", "seq": 0, "step": 1, "code": "hacked", "params": {}}',
        '{"type": "diagnosis", "seq": 0, "step": 1, "code": "stuck", "params": {"value": 1e999}}',
        '{"type": "welcome"}',
        "[" * 100_000,
    ],
)
def test_a_bad_message_is_refused_and_too_many_end_it(said: str, server: str) -> None:
    link, _ = greet(server)
    with link:
        for _ in range(20):
            link.send(said)
        wait_for_end(link)
        assert link.close_code == REFUSED


def test_a_message_beyond_all_bounds_cuts_the_script_off(server: str) -> None:
    link, welcome = greet(server)
    with link:
        with contextlib.suppress(ConnectionClosed):  # it may be noticed while it is sent
            link.send(b"\0" * (32 << 20))
        wait_for_end(link)
        assert link.close_code in (1006, 1009)  # with so much unread, the reason may be lost
    assert info(server, welcome["run"])["step"] == 0


def test_a_script_that_comes_back_goes_on_where_it_was(server: str) -> None:
    link, welcome = greet(server)
    run = welcome["run"]
    with link:
        link.send(state())
        link.send(scalars(0, 1))
        until(lambda: info(server, run)["step"] == 2)
    link, again = greet(server, run=run)
    with link:
        assert (again["run"], again["told"]) == (run, 2)
        link.send(scalars(1))
        assert "told already" in refusal(link)
        link.send(scalars(2, 3))
        until(lambda: losses(server, run) == [0, 1, 2, 3])


def test_nobody_comes_back_as_another_script(server: str) -> None:
    link, welcome = greet(server)
    with link:
        other, answer = greet(server, run=welcome["run"], key="a key of someone else")
        with other:
            assert answer["run"] != welcome["run"]


def test_two_scripts_of_one_name_are_two_runs_of_one_experiment(server: str) -> None:
    one, first = greet(server)
    other, second = greet(server)
    with one, other:
        assert first["run"] != second["run"]
        assert info(server, first["run"])["experiment"] == info(server, second["run"])["experiment"]


def test_what_needs_the_script_s_state_is_refused(server: str) -> None:
    link, welcome = greet(server)
    path = f"{server}/api/runs/{welcome['run']}"
    with link:
        link.send(state())
        link.send(scalars(0))
        until(lambda: info(server, welcome["run"])["step"] == 1)
        answers = [
            httpx.post(f"{path}/branch", json={}),
            httpx.post(f"{path}/sweep", json={}),
            httpx.get(f"{path}/export"),
            httpx.get(f"{path}/script"),
            httpx.get(f"{path}/weights"),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "own-loop")] * 5
        assert httpx.get(f"{path}/scalars", params={"format": "csv"}).text == "step,loss\r\n0,1.0\r\n"
    until(lambda: httpx.post(f"{path}/pause").json()["code"] == "script-away")


def test_a_deleted_run_lets_its_script_go(server: str) -> None:
    link, welcome = greet(server)
    with link:
        link.send(state())
        until(lambda: info(server, welcome["run"])["status"] == "running")
        httpx.delete(f"{server}/api/runs/{welcome['run']}")
        wait_for_end(link)
        assert link.close_code == DELETED


def test_a_page_of_another_site_cannot_be_a_script(server: str) -> None:
    with pytest.raises(Exception, match="403"):
        connect(server.replace("http", "ws") + "/api/watch", origin="http://evil.example", proxy=None)


# The script's side


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.memory = nn.LSTM(8, 8, batch_first=True)
        self.hidden, self.relu, self.out = nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        h = self.embed(tokens)
        h = h + self.attend(h, h, h, need_weights=False)[0]
        h, _ = self.memory(h)
        logits: torch.Tensor = self.out(self.relu(self.hidden(h)))
        return logits


class Training:
    """A script's loop in this process, one step at a time."""

    def __init__(self, url: str, name: str = "a loop") -> None:
        torch.manual_seed(0)
        self.model = Net()
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1, momentum=0.5)
        self.run: WatchedRun = descent.watch(self.model, self.optimizer, name=name, url=url)

    def step(self, **others: Any) -> float:
        tokens = torch.randint(5, (4, 6))
        loss = nn.functional.cross_entropy(self.model(tokens).flatten(0, 1), tokens.flatten())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.run.step(loss=loss, **others)
        return loss.item()

    def until(self, found: Callable[[], Any]) -> Any:
        """Train until something is found."""
        return until(lambda: (self.step(), found())[1])


@pytest.fixture
def training(server: str) -> Iterator[Training]:
    found = Training(server)
    yield found
    found.run.finish()


def the_run(server: str) -> dict[str, Any] | None:
    runs = httpx.get(f"{server}/api/runs").json()
    return runs[0] if runs else None


def test_the_page_s_knobs_are_the_script_s_own(training: Training, server: str) -> None:
    changes: list[float] = []
    dropout = training.run.knob("dropout", 0.1, ge=0, le=0.9, changed=changes.append)
    group = training.optimizer.param_groups[0]
    run = training.until(lambda: the_run(server))
    with httpx.Client(base_url=server) as client:

        def set_(**knobs: float) -> None:
            answers: list[httpx.Response] = []
            asking = threading.Thread(
                target=lambda: answers.append(client.patch(f"/api/runs/{run['id']}", json={"knobs": knobs}))
            )
            asking.start()
            training.until(lambda: answers)
            assert answers[0].status_code == 200, answers[0].text

        training.until(lambda: info(server, run["id"])["status"] == "running")
        set_(lr=0.02, momentum=0.9, weight_decay=0.01, dropout=0.5)
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.02, 0.9, 0.01)
    assert dropout.value == 0.5
    assert changes == [0.5]


def test_what_the_script_s_scheduler_writes_is_shown_on_the_knob(training: Training, server: str) -> None:
    group = training.optimizer.param_groups[0]
    scheduler = torch.optim.lr_scheduler.StepLR(training.optimizer, 20, 0.5)
    run = training.until(lambda: the_run(server))

    def trained() -> bool:
        if group["lr"] > 0.1 / 32:
            scheduler.step()
        return bool(info(server, run["id"])["knobs"]["lr"] == group["lr"] == 0.1 / 32)

    training.until(trained)
    log = httpx.get(f"{server}/api/runs/{run['id']}/knobs").json()
    assert len(log) == 1  # nobody has changed a knob
    answers: list[httpx.Response] = []
    change = {"json": {"knobs": {"lr": 0.1}}}  # what it began with
    asking = threading.Thread(
        target=lambda: answers.append(httpx.patch(f"{server}/api/runs/{run['id']}", **change))
    )
    asking.start()
    training.until(lambda: answers)
    assert group["lr"] == 0.1


def test_its_inside_is_looked_at_and_nothing_changes_by_that() -> None:
    def trained(panels: list[str]) -> list[float]:
        training = Training("http://127.0.0.1:1")  # no page says anything else
        training.run.look(torch.arange(5)[None], tokens=list("abcde"))
        training.run.heatmap("embedding", lambda: training.model.embed.weight)
        training.run.text("broken", lambda: 1 / 0)
        training.step()
        assert training.run._loop is not None
        training.run._loop._watch(panels, 60.0)
        found = [training.step() for _ in range(60)]
        shown = dict(training.run._loop._looking._seen_at)
        training.run.finish()
        assert set(panels) - {"own_broken"} <= shown.keys()
        return found

    every = ["attention", "states", "cells", "gradients", "updates", "weights", "silent", "own_embedding"]
    watched = trained([*every, "own_broken"])
    assert watched == trained([])


def test_without_a_server_training_goes_on_and_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    training = Training("http://127.0.0.1:1")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        training.step()
    training.run.finish()
    assert capfd.readouterr().err.count("no server at http://127.0.0.1:1") == 1


def test_what_was_said_without_a_server_comes_when_there_is_one(
    live_server: LiveServers,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    training = Training(f"http://127.0.0.1:{port}")
    for _ in range(5):
        training.step()
    address = live_server(on=port)
    run = training.until(lambda: the_run(address))
    until(lambda: losses(address, run["id"])[:5] == [0, 1, 2, 3, 4])
    training.run.finish()


def test_bad_use_is_told_and_training_goes_on(server: str, capfd: pytest.CaptureFixture[str]) -> None:
    training = Training(server, name="a name\nof two lines")
    training.run.knob("no bounds", 0.1)
    training.run.look(torch.zeros(3, 3))  # no tokens
    training.step(words="no number", nothing=None)
    training.step(many=torch.zeros(3))
    run = training.until(lambda: the_run(server))
    training.step(odd=float("nan"))
    training.until(lambda: "not finite" in capfd.readouterr().err or None)
    assert run["name"] == "a name of two lines"
    assert info(server, run["id"])["status"] == "running"
    training.run.finish()


def test_a_script_without_stderr_trains_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as closed:
        monkeypatch.setattr(sys, "stderr", closed)
    training = Training("http://127.0.0.1:1")
    training.run.heatmap("broken", "no function")  # type: ignore[arg-type]
    training.run.knob("two", 1.0)
    assert training.step() > 0
    training.run.finish()


def test_it_is_imported_without_torch() -> None:
    code = "import sys, descent; assert not {'torch', 'fastapi', 'pydantic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
