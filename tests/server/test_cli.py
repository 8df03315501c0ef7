import os
import queue
import re
import socket
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from descent.cli import main as cli
from descent.cli.main import cli as app
from descent.engine import device as machine
from descent.engine.messages import Measured
from descent.registry import experiments
from descent.runs.devices import Devices
from descent.settings import Settings

pytestmark = pytest.mark.slow


def descent(*arguments, **environment):
    """Run the command as a user would: exit code, output."""
    done = subprocess.run(
        [sys.executable, "-m", "descent", *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "160", **environment},
    )
    return done.returncode, done.stdout


def invoke(*arguments):
    """Run the command in this process: exit code, output."""
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160", "TERM": "dumb"})
    return result.exit_code, result.output


def test_list_shows_every_experiment():
    code, output = invoke("list")
    assert code == 0
    for entry in experiments().values():
        assert re.search(rf"{entry.chapter} +{entry.id} ", output)


def test_list_speaks_korean():
    _, output = invoke("list", "--lang", "ko")
    assert experiments()["descent-2d"].lessons["ko"].words["title"][:8] in output


def test_list_knows_no_other_language():
    code, output = invoke("list", "--lang", "fr")
    assert code == 2
    assert "en and ko" in output


def test_train_takes_the_steps_and_shows_the_scalars():
    code, output = descent(
        "train", "neural-playground", "--set", "lr=0.01", "--set", "optimizer=adam", "--steps", "60"
    )
    assert code == 0, output
    assert "60/60" in output
    assert "loss/train" in output


def test_train_takes_the_faster_device_and_asks_once(monkeypatch, tmp_path):
    monkeypatch.setenv("DESCENT_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "offered", lambda: ("cpu", "cuda:0"))
    measured = []

    async def measure(self, spec):
        measured.append(spec.device)
        return Measured(1, 0, 9.0 if spec.device == "cpu" else 1.0)

    monkeypatch.setattr(Devices, "_measured", measure)
    for _ in range(2):
        code, output = invoke("train", "neural-playground", "--steps", "2")
        assert code == 0, output
    assert measured == ["cpu", "cuda:0"]


def test_train_says_why_it_failed():
    code, output = invoke(
        "train",
        "neural-playground",
        "--set",
        "lr=10",
        "--set",
        "dataset=plane",
        "--set",
        "activation=linear",
        "--steps",
        "3000",
    )
    assert code == 1
    assert "diverged" in output
    assert "is not finite at step" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "there is no experiment 'nope'; there are"),
        (["descent-2d", "--set", "speed=1"], "no knob 'speed'"),
        (["descent-2d", "--set", "lr=fast"], "lr: Input should be a valid number"),
        (["descent-2d", "--set", "lr=NaN"], "lr: Input should be a finite number"),
        (["descent-2d", "--set", "lr=-1"], "lr: Input should be greater than or equal to"),
        (["descent-2d", "--set", "lr"], "expected name=value"),
        (["descent-2d", "--set", f"lr={'9' * 5000}"], "lr: "),
        (["descent-2d", "--steps", "0"], "--steps"),
        (["descent-2d", "--seed", "-1"], "--seed"),
        (["descent-2d", "--seed", str(2**32)], "--seed"),
        (["descent-2d", "--device", "tpu"], "--device"),
        (["descent-2d", "--device", "cuda"], "there is no cuda here; choose one of auto, cpu"),
        (["descent-2d", "--device", "cuda:x"], "expected auto, cpu"),
    ],
)
def test_train_refuses_what_it_cannot_use(arguments, message):
    code, output = invoke("train", *arguments)
    assert code == 2
    assert message in " ".join(output.split())


def test_serve_has_an_option_for_every_setting_with_its_help():
    code, output = invoke("serve", "--help")
    assert code == 0
    words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", output).split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')} " in words
        assert field.description is not None
        assert field.description.split(".")[0] in words


def test_serve_prints_its_address_and_answers_there(server):
    assert httpx.get(f"{server.url}/api/health").json()["status"] == "ok"


def test_serve_says_so_when_the_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = descent("serve", "--port", str(port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in output
    assert "Traceback" not in output


def test_serve_refuses_a_bad_setting_naming_it():
    for arguments, environment in ((["--port", "99999"], {}), ([], {"DESCENT_PORT": "99999"})):
        code, output = descent("serve", *arguments, **environment)
        assert code == 2
        assert "setting port" in output
        assert "99999" in output
        assert "Traceback" not in output


@pytest.fixture
def created(monkeypatch):
    """The settings that servers were created with; none of them is run."""
    created = []

    class NoServer:
        def __init__(self, settings, store):
            created.append(settings)
            self._store = store

        def run(self, sockets):
            """It would serve here."""
            self._store.close()

    monkeypatch.setattr("descent.web.app.create_server", NoServer)
    return created


def test_settings_come_from_the_environment_and_options_win(created, monkeypatch):
    monkeypatch.setenv("DESCENT_MAX_RUNNING", "7")
    monkeypatch.setenv("DESCENT_PROBE_BUDGET", "0.5")
    code, _ = invoke("serve", "--port", "0", "--probe-budget", "0.25", "--idle-pause", "0", "--data", "/data")
    assert code == 0
    (settings,) = created
    assert (settings.max_running, settings.probe_budget, settings.idle_pause) == (7, 0.25, 0)
    assert str(settings.data) == "/data"


@pytest.mark.usefixtures("created")
def test_the_browser_is_opened_only_when_asked(monkeypatch):
    opened = queue.Queue()
    monkeypatch.setattr(cli.webbrowser, "open", opened.put)
    invoke("serve", "--port", "0")
    invoke("serve", "--port", "0", "--open")
    assert re.fullmatch(r"http://localhost:\d+/", opened.get(timeout=10))
    assert opened.empty()
