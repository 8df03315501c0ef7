"""The commands that take runs out of a store and into one, in this process."""

from __future__ import annotations

import zipfile

import pytest
import typer
from test_record import save
from typer.testing import CliRunner

from descent.cli import archive as cli
from descent.store.store import Store
from tiny import REGISTRY

pytestmark = pytest.mark.slow

runs = typer.Typer()
cli.register(runs)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a store of one run, A; here and in the environment is another one."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("descent.own.here.experiments", lambda: REGISTRY)
    store = Store("", tmp_path / "home")
    save(store, "A", (0, 5), changes=[(2, {"lr": 0.5})])
    store.close()
    return tmp_path / "home"


def invoke(*arguments):
    """Exit code and output."""
    result = CliRunner().invoke(runs, [*map(str, arguments)], env={"COLUMNS": "160", "TERM": "dumb"})
    return result.exit_code, " ".join(result.output.split())


def test_a_run_moves_from_one_store_to_another(home, tmp_path):
    assert invoke("export", "A", "--home", home) == (0, "tiny-A.zip")
    Store("", tmp_path / "other").close()
    code, run_id = invoke("import", "tiny-A.zip", "--home", tmp_path / "other")
    assert code == 0
    store = Store("", tmp_path / "other", read_only=True)
    assert store.run(run_id).environment["imported"] == "A"
    assert store.last_step(run_id) == 4
    store.close()
    code, output = invoke("import", "tiny-A.zip", "--home", tmp_path / "other")
    assert code == 0
    assert f"the same run was in the store already, as {run_id}" in output


def test_a_folder_or_file_may_be_named_and_nothing_is_overwritten(home, tmp_path):
    (tmp_path / "folder").mkdir()
    assert invoke("export", "A", tmp_path / "folder", "--home", home)[0] == 0
    assert (tmp_path / "folder" / "tiny-A.zip").is_file()
    assert invoke("export", "A", "my.zip", "--home", home) == (0, "my.zip")
    code, output = invoke("export", "A", "my.zip", "--home", home)
    assert code == 2
    assert "my.zip exists already" in output


def test_scalars_leave_for_tensorboard(home):
    assert invoke("export", "A", "--format", "tensorboard", "--home", home) == (0, "tiny-A-tensorboard.zip")
    with zipfile.ZipFile("tiny-A-tensorboard.zip") as archive:
        assert "tfevents" in archive.namelist()[0]


def test_a_script_goes_to_a_file_or_to_the_terminal(home):
    assert invoke("script", "A", "--home", home) == (0, "tiny_A.py")
    with open("tiny_A.py", encoding="utf-8") as file:
        text = file.read()
    compile(text, "tiny_A.py", "exec")
    assert '(2, {"lr": 0.5})' in text
    code, output = invoke("script", "A", "-", "--home", home)
    assert (code, output) == (0, " ".join(text.split()))


def test_what_cannot_be_done_is_said_without_a_traceback(home, tmp_path):
    assert invoke("export", "B", "--home", home) == (1, "descent: there is no recorded run 'B'")
    assert invoke("script", "B", "--home", home)[0] == 1
    (tmp_path / "bad.zip").write_bytes(b"x")
    code, output = invoke("import", tmp_path / "bad.zip", "--home", home)
    assert code == 1
    assert "archive: it is no whole zip file" in output
    code, output = invoke("export", "A", "--home", tmp_path / "nowhere")
    assert code == 1
    assert output.startswith("descent: ")


def test_importing_beside_a_server_is_refused_with_the_way_out(home):
    invoke("export", "A", "--home", home)
    server = Store("", home)
    code, output = invoke("import", "tiny-A.zip", "--home", home)
    server.close()
    assert code == 1
    assert "another Descent uses the store" in output
    assert "import the file on its page" in output
