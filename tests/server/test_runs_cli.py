"""`descent runs` in this process, on stores of either kind."""

import os
import re
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from descent import __version__
from descent.cli.main import cli
from descent.store.packing import pack
from descent.store.records import Batch, Checkpoint, StoredMessage
from descent.store.schema import RunRow
from descent.store.store import Store

pytestmark = pytest.mark.slow


def days_ago(days):
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def run(id, age, **columns):
    """A run that was created `age` days ago, and last said something half a day later."""
    facts = {
        "experiment": "tiny",
        "status": "finished",
        "reason": "",
        "device": "cpu",
        "seed": 7,
        "step": 1234,
    }
    knobs = {"built_with": {"lr": 0.1}, "began_with": {"lr": 0.1}, "knobs": {"lr": 0.5, "word": "[b]a"}}
    times = {"created_at": days_ago(age), "updated_at": days_ago(age - 0.5)}
    return RunRow(**{"id": id, **facts, **knobs, **times, **columns})


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path, monkeypatch):
    """Four recorded runs, in a store that the settings name and nobody uses."""
    if request.param == "postgresql":
        monkeypatch.setenv("DESCENT_DATABASE_URL", request.getfixturevalue("new_database")())
    url = os.environ.get("DESCENT_DATABASE_URL", "")
    store = Store(url, tmp_path)
    store.save(
        [
            Batch(
                run("old", 40, name="[bold]first", latest={"loss/train": 0.123456}, frame_bytes=3_000_000),
                messages=[StoredMessage(1, "scalars", 1233, os.urandom(2_000_000))],
                frames={("weights", step): pack(b"picture") for step in (10, 20, 900)},
                checkpoints=[Checkpoint(30, 1, {}, pack(b"checkpoint"))],
            ),
            Batch(
                run(
                    "starred",
                    30,
                    starred=True,
                    experiment="dcgan",
                    status="diverged",
                    reason="lr",
                    tags=["a", "b c"],
                )
            ),
            Batch(run("branch", 2, parent="old", branched_at=1000)),
            Batch(run("new", 0.6)),
        ]
    )
    store.close()
    return lambda **options: Store(url, tmp_path, **options)


def invoke(*arguments, input=None):
    """Exit code and output, blanks as one."""
    result = CliRunner().invoke(
        cli, ["runs", *arguments], input=input, env={"COLUMNS": "160", "TERM": "dumb"}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


def ids(store):
    opened = store(read_only=True)
    found = [row.id for row in opened.runs()]
    opened.close()
    return found


# Looking


def test_list_shows_the_newest_first(store):
    code, output = invoke("list")
    assert code == 0
    created = datetime.fromisoformat(days_ago(0.6)).astimezone().strftime("%Y-%m-%d")
    assert re.search(rf"new tiny finished 1,234 0\.0 MB {created} \d\d:\d\d branch tiny", output)
    assert "starred dcgan ★ diverged" in output
    assert "old tiny [bold]first finished 1,234 3.0 MB" in output
    assert re.search(r"\d\d:\d\d old @ 1,000 starred", output)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--limit", "1"], ["new"]),
        (["--experiment", "dcgan"], ["starred"]),
        (["--starred"], ["starred"]),
        (["--search", "FIRST"], ["old"]),
        (["--tag", "B c"], ["starred"]),
        (["--tag", "c"], []),
        (["--search", "nope"], []),
    ],
)
def test_list_shows_what_is_asked_for(store, options, found):
    _, output = invoke("list", *options)
    words = output.split()
    assert [id for id in ("new", "branch", "starred", "old") if id in words] == found


def test_show_tells_what_is_recorded_of_a_run(store):
    code, output = invoke("show", "old")
    assert code == 0
    for told in (
        "run old [bold]first",
        "experiment tiny",
        "status finished",
        "steps 1,234",
        "seed, device 7, cpu",
        "branches branch",
        "knobs lr=0.5, word=[b]a",
        "latest loss/train=0.1235",
        "pictures weights: 3, steps 10 to 900",
        "checkpoints 1, steps 30 to 30",
        "size 3.0 MB",
    ):
        assert told in output
    assert "branched from old at step 1,000" in invoke("show", "branch")[1]
    assert "tags a, b c" in invoke("show", "starred")[1]
    assert "status diverged: lr" in invoke("show", "starred")[1]


def test_looking_works_while_a_server_uses_the_store(store):
    server = store()
    assert invoke("list")[0] == 0
    assert invoke("show", "new")[0] == 0
    server.close()


# Deleting


def test_rm_deletes_runs_and_leaves_their_branches(store):
    assert invoke("rm", "old", "new") == (0, "2 runs deleted")
    assert ids(store) == ["branch", "starred"]
    assert "branched from a deleted run at step 1,000" in invoke("show", "branch")[1]


def test_rm_deletes_nothing_where_one_is_unknown(store):
    code, output = invoke("rm", "old", "nope", "none")
    assert (code, output) == (1, "descent: there is no run nope, none")
    assert len(ids(store)) == 4
    assert invoke("show", "nope") == (1, "descent: there is no run nope")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--older-than", "1"], ["new", "starred"]),
        (["--older-than", "1.6"], ["new", "branch", "starred"]),
        (["--older-than", "100"], ["new", "branch", "starred", "old"]),
        (["--keep", "1"], ["new", "starred"]),
        (["--keep", "9"], ["new", "branch", "starred", "old"]),
        (["--keep", "0"], ["starred"]),
        (["--keep", "2", "--no-keep-starred"], ["new", "branch"]),
        (["--older-than", "20", "--keep", "1"], ["new", "branch", "starred"]),
        (["--older-than", "1", "--keep", "2"], ["new", "branch", "starred"]),
    ],
)
def test_prune_deletes_old_runs(store, options, left):
    code, output = invoke("prune", *options, "--yes")
    assert code == 0
    assert ids(store) == left
    assert ("there is nothing to delete" in output) == (len(left) == 4)


def test_prune_shows_what_would_go_and_asks(store):
    code, output = invoke("prune", "--older-than", "1", input="n\n")
    assert code == 1
    assert "old tiny" in output
    assert "new tiny" not in output
    assert "Delete 2 runs? [y/N]" in output
    assert len(ids(store)) == 4
    code, _ = invoke("prune", "--older-than", "1", input="y\n")
    assert code == 0
    assert len(ids(store)) == 2


def test_prune_must_be_told_which_runs(store):
    code, output = invoke("prune", "--yes")
    assert code == 2
    assert "--older-than, --keep, or both" in output
    assert len(ids(store)) == 4


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_prune_gives_the_space_back(store, tmp_path):
    before = (tmp_path / "descent.db").stat().st_size
    code, output = invoke("prune", "--keep", "1", "--yes")
    assert code == 0
    assert before > 2_000_000
    assert (tmp_path / "descent.db").stat().st_size < 200_000
    assert re.search(r"2 runs deleted 2\.\d MB given back", output)


@pytest.mark.parametrize("arguments", [["rm", "old"], ["prune", "--keep", "0", "--yes"]])
def test_nothing_is_deleted_while_a_server_uses_the_store(store, arguments):
    server = store()
    code, output = invoke(*arguments)
    assert code == 1
    assert output.startswith("descent: another Descent uses the store")
    server.close()
    assert len(ids(store)) == 4


# Which store


def test_options_win_over_the_settings(tmp_path, monkeypatch):
    for name in ("here", "there"):
        store = Store("", tmp_path / name)
        store.save([Batch(run(name, 1))])
        store.close()
    monkeypatch.setenv("DESCENT_HOME", str(tmp_path / "here"))
    assert "here tiny" in invoke("list")[1]
    assert "there tiny" in invoke("list", "--home", str(tmp_path / "there"))[1]
    url = f"sqlite:///{tmp_path / 'there' / 'descent.db'}"
    assert "there tiny" in invoke("list", "--database-url", url)[1]
    monkeypatch.setenv("DESCENT_DATABASE_URL", url)
    assert "there tiny" in invoke("list")[1]
    assert invoke("rm", "there")[0] == 0


@pytest.mark.parametrize("command", [["list"], ["show", "a"]])
def test_where_nothing_is_recorded_it_says_so_and_leaves_nothing(tmp_path, command):
    code, output = invoke(*command, "--home", str(tmp_path / "nowhere"))
    assert code == 1
    assert output == f"descent: nothing is recorded in {tmp_path}/nowhere/descent.db"
    assert not (tmp_path / "nowhere").exists()


def test_a_store_that_cannot_be_used_and_a_bad_setting_are_told(tmp_path, monkeypatch):
    (tmp_path / "descent.db").write_bytes(b"nonsense" * 1000)
    assert invoke("list")[0] == 1
    assert "file is not a database" in invoke("list")[1]
    monkeypatch.setenv("DESCENT_PORT", "99999")
    code, output = invoke("list")
    assert code == 2
    assert "setting port" in output


def test_the_version_of_a_newer_store_is_told(tmp_path):
    store = Store("", tmp_path)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("UPDATE meta SET value = '7.3'")
    store.close()
    code, output = invoke("list")
    assert code == 1
    assert f"was written by Descent 7.3 (schema 9999); this is Descent {__version__}" in output
