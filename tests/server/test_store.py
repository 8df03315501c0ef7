"""The store on both databases it knows, each test on an empty one."""

import contextlib
import errno
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from descent import __version__
from descent.store import database
from descent.store.database import NewerStore, StoreError, StoreInUse
from descent.store.packing import DamagedError, pack
from descent.store.records import Batch, Checkpoint, Kept, StoredMessage
from descent.store.schema import Base, CheckpointRow, FrameRow, MessageRow, MetaRow, RunRow
from descent.store.store import TRAINED, Store


@pytest.fixture
def store(store_url, tmp_path):
    store = Store(store_url, tmp_path)
    yield store
    store.close()


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'descent.db'}"


def run(id, at=0, **columns):
    """A run that was created in minute `at`."""
    when = f"2025-01-01T00:{at:02}:00+00:00"
    texts = {"experiment": "tiny", "status": "finished", "reason": "", "device": "cpu"}
    numbers = {"step": 0, "seed": 2**32 - 1}
    knobs = {"built_with": {}, "began_with": {}, "knobs": {"lr": 0.1}}
    return RunRow(
        **{"id": id, **texts, **numbers, **knobs, "created_at": when, "updated_at": when, **columns}
    )


def scalars(seq, step, data=b"scalars"):
    return StoredMessage(seq, "scalars", step, data)


def save(store, row, *, frames=(), checkpoints=(), **rest):
    frames = {(panel, step): pack(f"{panel} {step}".encode()) for panel, step in frames}
    checkpoints = [Checkpoint(step, step, {"lr": 0.1}, pack(b"weights %d" % step)) for step in checkpoints]
    store.save([Batch(row, frames=frames, checkpoints=checkpoints, **rest)])


def columns(row):
    return {column.name: getattr(row, column.name) for column in RunRow.__table__.columns}


def damage(store, table, **which):
    """Change a byte of what is kept there."""
    query = select(table.data).filter_by(**which)
    with store.engine.begin() as connection:
        data = bytearray(connection.scalar(query))
        data[-1] ^= 1
        connection.execute(update(table).filter_by(**which).values(data=bytes(data)))


def ids(rows):
    return [row.id for row in rows]


# What was written is read


def test_a_run_is_read_as_it_was_written(store):
    row = run(
        "a",
        reason="여기 — “quoted”",
        step=2**40,
        knobs={"lr": 0.1, "hidden": [4, 2], "text": "나는 \u0000"},
        branched_at=7,
        max_steps=10**12,
        pace=0.5,
        name="첫 실험",
        starred=True,
        latest={"loss/train": 1e-300},
        frame_bytes=2**33,
    )
    written = columns(row)
    save(store, row)
    assert columns(store.run("a")) == written
    assert store.run("b") is None


def test_a_run_that_is_saved_again_is_replaced(store):
    save(store, run("a", step=1))
    save(store, run("a", step=2, knobs={"lr": 0.5}))
    assert (store.run("a").step, store.run("a").knobs) == (2, {"lr": 0.5})
    assert ids(store.runs()) == ["a"]


def test_messages_come_in_the_order_they_were_said(store):
    said = [scalars(2, 9), StoredMessage(3, "knobs", 10, b'{"lr": 1}'), scalars(40, 2**40, bytes(10_000))]
    save(store, run("a"), messages=said[:1])
    save(store, run("a"), messages=said[1:])
    save(store, run("b"), messages=[scalars(1, 5)])
    assert list(store.messages("a")) == said
    assert list(store.messages("a", "knobs")) == said[1:2]
    assert (store.last_step("a"), store.last_step("b"), store.last_step("c")) == (2**40, 5, -1)


def test_a_damaged_message_is_left_out(store):
    save(store, run("a"), messages=[scalars(1, 0), scalars(2, 1), scalars(3, 2)])
    damage(store, MessageRow, run="a", seq=2)
    assert [message.seq for message in store.messages("a")] == [1, 3]


def test_changes_of_knobs_are_found_by_where_they_were_said_and_made(store):
    said = [StoredMessage(seq, "knobs", 10 * seq, b'{"knobs": {"lr": %d}}' % seq) for seq in range(1, 5)]
    save(store, run("a"), messages=[*said, scalars(5, 50)])
    assert store.changes("a", -1, 99) == [(10 * seq, {"lr": seq}) for seq in range(1, 5)]
    assert store.changes("a", 1, 30) == [(20, {"lr": 2}), (30, {"lr": 3})]
    damage(store, MessageRow, run="a", seq=4)
    assert len(store.changes("a", 1, 30)) == 2
    with pytest.raises(DamagedError):
        store.changes("a", 1, 40)


def test_the_last_picture_at_or_before_a_step(store):
    save(store, run("a"), frames=[("weights", 10), ("weights", 20), ("outputs", 15)])
    found = [store.frame("a", "weights", step) for step in (9, 10, 19, 20, 2**40)]
    assert found == [None, *[(10, b"weights 10")] * 2, *[(20, b"weights 20")] * 2]
    assert store.frame("a", "nope", 20) is None
    assert list(store.frames("a")) == [
        ("outputs", 15, b"outputs 15"),
        ("weights", 10, b"weights 10"),
        ("weights", 20, b"weights 20"),
    ]


def test_for_a_damaged_picture_there_is_the_one_before(store):
    save(store, run("a"), frames=[("weights", 10), ("weights", 20), ("weights", 30)])
    damage(store, FrameRow, run="a", step=30)
    damage(store, FrameRow, run="a", step=20)
    assert store.frame("a", "weights", 35) == (10, b"weights 10")
    damage(store, FrameRow, run="a", step=10)
    assert store.frame("a", "weights", 35) is None


def test_the_last_checkpoint_comes_first_and_a_damaged_one_is_named(store):
    save(store, run("a"), checkpoints=[10, 20, 30, 40])
    damage(store, CheckpointRow, run="a", step=30)
    assert list(store.checkpoints("a", 39)) == [
        30,
        Checkpoint(20, 20, {"lr": 0.1}, b"weights 20"),
        Checkpoint(10, 10, {"lr": 0.1}, b"weights 10"),
    ]


def test_what_is_recorded_again_at_the_same_step_replaces_what_was(store):
    save(store, run("a"), frames=[("weights", 10)], checkpoints=[10])
    again = Checkpoint(10, 11, {"lr": 0.5}, pack(b"other"))
    store.save([Batch(run("a"), frames={("weights", 10): pack(b"new")}, checkpoints=[again])])
    assert store.frame("a", "weights", 10) == (10, b"new")
    assert list(store.checkpoints("a", 10)) == [Checkpoint(10, 11, {"lr": 0.5}, b"other")]


def test_kept_says_where_there_is_what_and_how_large(store):
    save(store, run("a"), frames=[("weights", 10), ("outputs", 5)], checkpoints=[7])
    save(store, run("b"), frames=[("weights", 1)])
    sizes = [len(pack(data)) for data in (b"outputs 5", b"weights 7", b"weights 10")]
    assert store.kept("a") == [
        Kept(*where, size)
        for where, size in zip([("outputs", 5), ("", 7), ("weights", 10)], sizes, strict=True)
    ]


def test_what_is_dropped_is_gone(store):
    steps = range(1200)  # more keys than one statement takes
    save(store, run("a"), frames=[("weights", step) for step in steps], checkpoints=[3, 4])
    save(store, run("a"), dropped=[*(Kept("weights", step, 0) for step in steps[1:]), Kept("", 3, 0)])
    assert [(one.panel, one.step) for one in store.kept("a")] == [("weights", 0), ("", 4)]


def test_a_batch_whose_answer_was_lost_can_be_written_again(store):
    batch = [
        Batch(run("a"), [scalars(1, 0), scalars(3, 1)], {("weights", 1): pack(b"x")}),
        Batch(run("b"), [scalars(1, 0)], checkpoints=[Checkpoint(0, 0, {}, pack(b"y"))]),
    ]
    store.save(batch)
    store.save([Batch(run("a"), [*batch[0].messages, scalars(4, 2)], batch[0].frames), batch[1]])
    assert [message.seq for message in store.messages("a")] == [1, 3, 4]
    assert [message.seq for message in store.messages("b")] == [1]


def test_a_batch_is_written_as_a_whole_or_not_at_all(store):
    twice = [scalars(1, 0), scalars(1, 0)]
    with pytest.raises(IntegrityError):
        store.save([Batch(run("a"), [scalars(1, 0)]), Batch(run("b"), twice)])
    assert store.runs() == []
    assert list(store.messages("a")) == []


# The history


@pytest.fixture
def history(store):
    for at, (id, experiment, name, starred) in enumerate(
        [
            ("aa1", "tiny", "", False),
            ("bb2", "tiny", "100% Slow_er", True),
            ("cc3", "dcgan", "느린 학습", False),
            ("dd4", "lstm-cells", "slow", True),
        ]
    ):
        save(store, run(id, at, experiment=experiment, name=name, starred=starred))
    return store


def test_runs_are_listed_the_newest_first_and_in_parts(history):
    assert ids(history.runs()) == ["dd4", "cc3", "bb2", "aa1"]
    assert ids(history.runs(limit=2)) == ["dd4", "cc3"]
    assert ids(history.runs(limit=2, offset=3)) == ["aa1"]


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({"experiment": "tiny"}, ["bb2", "aa1"]),
        ({"starred": True}, ["dd4", "bb2"]),
        ({"starred": True, "experiment": "tiny"}, ["bb2"]),
        ({"search": "SLOW"}, ["dd4", "bb2"]),
        ({"search": "학습"}, ["cc3"]),
        ({"search": "c3"}, ["cc3"]),
        ({"search": "lstm"}, ["dd4"]),
        ({"search": "%"}, ["bb2"]),
        ({"search": "w_e"}, ["bb2"]),
        ({"search": "slow", "limit": 1, "offset": 1}, ["bb2"]),
        ({"search": "nope"}, []),
        ({"search": "slo\0w"}, ["dd4", "bb2"]),
    ],
)
def test_runs_are_found(history, which, found):
    assert ids(history.runs(**which)) == found


def test_an_id_that_none_can_have_is_not_found(history):
    assert history.run("\0") is None


def test_a_family_is_the_whole_tree_the_oldest_first(store):
    parents = {"root": None, "left": "root", "right": "root", "leaf": "left", "other": None}
    for at, (id, parent) in enumerate(parents.items()):
        save(store, run(id, at, parent=parent, branched_at=parent and 5))
    for member in ("root", "left", "right", "leaf"):
        assert ids(store.family(member)) == ["root", "left", "right", "leaf"]
    assert ids(store.family("other")) == ["other"]
    assert store.family("nope") == []


def test_a_deleted_run_takes_its_record_along_and_leaves_its_branches(store):
    save(store, run("a"), messages=[scalars(1, 0)], frames=[("weights", 0)], checkpoints=[0])
    save(store, run("b", parent="a", branched_at=0), messages=[scalars(1, 0)])
    store.delete(["a", "nope"])
    assert store.run("a") is None
    with store.engine.connect() as connection:
        for table in (MessageRow, FrameRow, CheckpointRow):
            assert connection.scalars(select(table.run)).all() == (["b"] if table is MessageRow else [])
    assert (store.run("b").parent, store.run("b").branched_at) == (None, 0)
    assert ids(store.family("b")) == ["b"]


def test_columns_of_a_run_can_be_changed_alone(store):
    save(store, run("a", step=5))
    store.set("a", name="best", starred=True)
    assert (store.run("a").name, store.run("a").starred, store.run("a").step) == ("best", True, 5)


# When a server ends


def test_what_was_alive_is_interrupted_and_what_trained_is_named_once(store):
    alive = ["queued", "starting", "running", "paused"]
    for at, status in enumerate([*alive, "finished", "diverged", "failed", "stopped"]):
        save(store, run(status, at, status=status, reason="as it was"))
    store.interrupt()
    found = {row.id: (row.status, row.reason) for row in store.runs()}
    assert {id: found[id] for id in alive} == {
        **dict.fromkeys(alive[:3], ("interrupted", TRAINED)),
        "paused": ("interrupted", ""),
    }
    for status in ("finished", "diverged", "failed", "stopped"):
        assert found[status] == (status, "as it was")
    assert store.interrupted() == alive[:3]
    assert store.interrupted() == []
    assert {row.reason for row in store.runs() if row.status == "interrupted"} == {""}


def test_what_a_killed_server_left_alive_is_interrupted_when_the_store_is_opened(store_url, tmp_path):
    store = Store(store_url, tmp_path)
    save(store, run("a", status="running"))
    store.close()
    store = Store(store_url, tmp_path)
    assert store.run("a").status == "interrupted"
    assert store.interrupted() == ["a"]
    store.close()


# Making room


def stripped(store, id):
    """What is left of it, by panel."""
    steps = {}
    for one in store.kept(id):
        steps.setdefault(one.panel, []).append(one.step)
    return steps


@pytest.fixture
def full(store):
    """Runs that ended one after the other, the second starred, the last still alive; and their size each."""
    frames = [(panel, step) for panel in ("weights", "outputs") for step in range(10, 50, 10)]
    save(store, run("none"))
    for at, id in enumerate(["old", "starred", "new", "alive"]):
        status = "running" if id == "alive" else "finished"
        save(
            store, run(id, at, status=status, starred=id == "starred"), frames=frames, checkpoints=[0, 20, 40]
        )
        kept = store.kept(id)
        sizes = {"frame_bytes": sum(one.size for one in kept if one.panel)}
        sizes["checkpoint_bytes"] = sum(one.size for one in kept if not one.panel)
        store.set(id, **sizes)
    return store, sum(sizes.values())


ALL = {"weights": [10, 20, 30, 40], "outputs": [10, 20, 30, 40], "": [0, 20, 40]}
ENDS = {"weights": [10, 40], "outputs": [10, 40], "": [40]}


def test_runs_that_ended_long_ago_keep_the_ends_only(full):
    store, size = full
    assert store.strip(4 * size) == []
    assert store.strip(4 * size - 1) == ["old"]
    assert [stripped(store, id) for id in ("old", "starred", "new", "alive")] == [ENDS, ALL, ALL, ALL]
    row = store.run("old")
    assert (row.frames_thinned, row.checkpoints_thinned) == (4, 2)
    assert row.frame_bytes + row.checkpoint_bytes == sum(one.size for one in store.kept("old"))
    assert store.strip(4 * size - 1) == []


def test_neither_what_is_starred_nor_what_is_alive_is_stripped(full):
    store, _ = full
    assert store.strip(0) == ["old", "new"]
    assert [stripped(store, id) for id in ("starred", "new", "alive")] == [ALL, ENDS, ALL]
    assert store.strip(0) == []


def test_the_runs_of_one_person_make_room_for_each_other_alone(store, full):
    _, size = full
    for id, owner in {"old": "a", "new": "b", "alive": "b"}.items():
        store.set(id, owner=owner)
    assert store.strip(1 << 40, each=2 * size) == []
    assert store.strip(1 << 40, each=2 * size - 1) == ["new"]
    assert [stripped(store, id) for id in ("old", "starred", "new", "alive")] == [ALL, ALL, ENDS, ALL]
    assert store.strip(1 << 40, each=size - 1) == ["old"], "whose are nobody's stay"


# Which store, who may, and in which version


def test_the_migrated_schema_is_the_declared_one(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        assert connection.scalar(select(MetaRow.value).where(MetaRow.key == "version")) == __version__


def test_a_migration_that_was_cut_short_is_made_the_next_time(store_url, tmp_path, monkeypatch):
    def fail(connection):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(database, "Session", fail)  # the last thing a migration needs
        with pytest.raises(StoreError, match="the disk is gone"):
            Store(store_url, tmp_path)
    store = Store(store_url, tmp_path)
    save(store, run("a"))
    store.close()


def test_only_one_may_write_and_anyone_read(store, store_url, tmp_path):
    save(store, run("a"))
    with pytest.raises(StoreInUse, match="another Descent uses the store"):
        Store(store_url, tmp_path)
    reader = Store(store_url, tmp_path, read_only=True)
    assert ids(reader.runs()) == ["a"]
    reader.close()
    store.close()
    Store(store_url, tmp_path).close()


def test_whichever_thread_opened_it_another_may_close_it(store_url, tmp_path):
    with ThreadPoolExecutor(1) as thread:
        thread.submit(Store, store_url, tmp_path).result().close()
        Store(store_url, tmp_path).close()


def test_a_store_of_a_newer_version_is_refused_naming_both(store_url, tmp_path):
    Store(store_url, tmp_path).close()
    engine = create_engine(database.connect(store_url, tmp_path)[0].url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(update(MetaRow).values(value="7.3"))
    for options in ({}, {"read_only": True}, {"patient": True}):
        with pytest.raises(NewerStore) as refused:
            Store(store_url, tmp_path, **options)
        assert f"was written by Descent 7.3 (schema 9999); this is Descent {__version__}" in str(
            refused.value
        )
    engine.dispose()


def test_an_empty_store_cannot_be_read(store_url, tmp_path):
    with pytest.raises(StoreError, match="nothing is recorded in"):
        Store(store_url, tmp_path, read_only=True)


def test_reading_makes_no_file(tmp_path):
    with pytest.raises(StoreError, match="nothing is recorded in"):
        Store("", tmp_path / "home", read_only=True)
    assert not (tmp_path / "home").exists()


def test_without_an_address_it_is_a_file_in_the_folder(tmp_path):
    home = tmp_path / "one" / "two % ?"
    Store("", home).close()
    assert (home / "descent.db").is_file()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://localhost/descent", "for SQLite files and PostgreSQL, not mysql"),
        ("sqlite://", "for SQLite files"),
        ("sqlite:///:memory:", "for SQLite files"),
        ("nonsense", "no address of a database"),
        ("postgresql://user:secret@localhost:1/x", r"user:\*\*\*@localhost:1/x cannot be used: connection"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_with_its_address(tmp_path, url, message):
    with pytest.raises(StoreError, match=message) as refused:
        Store(url, tmp_path)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "descent.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreError, match="file is not a database"):
        Store("", tmp_path, patient=True)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory"):
        Store("", tmp_path / "file" / "home", patient=True)


@pytest.mark.slow
def test_a_connection_that_was_lost_is_made_anew(new_database, tmp_path):
    store = Store(new_database(), tmp_path)
    save(store, run("a"))
    engine = create_engine(store.engine.url)
    with engine.connect() as connection:
        others = (
            "FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        assert len(connection.scalars(text(f"SELECT pg_terminate_backend(pid) {others}")).all()) == 2
    engine.dispose()
    save(store, run("b"))
    assert ids(store.runs()) == ["a", "b"]
    store.close()


# A database that takes nothing now


def test_a_patient_store_is_empty_until_it_can_be_opened(sqlite_url, tmp_path, monkeypatch):
    store = Store(sqlite_url, tmp_path)
    save(store, run("a", status="running"))
    store.close()
    other = sqlite3.connect(tmp_path / "descent.db")
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database, "BUSY", 0.01)
    with pytest.raises(StoreError, match="database is locked"):
        Store(sqlite_url, tmp_path)
    store = Store(sqlite_url, tmp_path, patient=True)
    assert store.trouble == "locked"
    assert (store.runs(), store.run("a"), store.kept("a")) == ([], None, [])
    with pytest.raises(StoreError, match="database is locked") as refused:
        save(store, run("b"))
    assert database.cause(refused.value) == "locked"
    other.close()
    save(store, run("b"))
    assert store.trouble == ""
    assert {row.id: row.status for row in store.runs()} == {"a": "interrupted", "b": "finished"}
    store.close()


def test_the_reserve_is_used_where_nothing_can_be_deleted_and_put_back(sqlite_url, tmp_path, monkeypatch):
    store = Store(sqlite_url, tmp_path)
    reserve = tmp_path / "descent.db-reserve"
    assert reserve.stat().st_size == 8 << 20
    steps = [("weights", step) for step in range(1200)]
    save(store, run("a"), messages=[scalars(1, 0)], frames=steps, checkpoints=[1, 2])
    save(store, run("b"), messages=[scalars(1, 0)], frames=steps[:3])
    delete, tried = Store._delete, []

    def only_with_room(store, ids):
        tried.append(reserve.exists())
        if reserve.exists():
            raise OperationalError("DELETE", {}, OSError(errno.ENOSPC, "No space left on device"))
        delete(store, ids)

    monkeypatch.setattr(Store, "_delete", only_with_room)
    store.delete(["a"])
    assert (tried, [row.id for row in store.runs()]) == ([True, False], ["b"])
    assert ([*store.messages("a")], store.kept("a")) == ([], [])
    assert (len([*store.messages("b")]), len(store.kept("b"))) == (1, 3)
    assert reserve.stat().st_size == 8 << 20
    reserve.unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1 << 40, free=1 << 20))
    store.give_back()
    assert not reserve.exists()
    store.close()


def test_what_was_deleted_goes_back_to_the_disk(sqlite_url, tmp_path):
    store = Store(sqlite_url, tmp_path)
    chance = np.random.default_rng(0)
    for id in "ab":
        store.save([Batch(run(id), [], {("weights", step): chance.bytes(1 << 20) for step in range(4)})])
    store.delete(["a"])
    taken = [(tmp_path / f"descent.db{ending}").stat().st_size for ending in ("", "-wal")]
    assert 4 << 20 < sum(taken) < 5 << 20
    assert [kept.step for kept in store.kept("b")] == [0, 1, 2, 3]
    store.close()


@pytest.mark.parametrize("instead", ["nothing", "another file"])
def test_a_database_that_is_gone_is_not_written_to(sqlite_url, tmp_path, instead):
    store = Store(sqlite_url, tmp_path)
    save(store, run("a"))
    (tmp_path / "descent.db").rename(tmp_path / "moved.db")
    if instead == "another file":
        (tmp_path / "descent.db").write_bytes(b"")
    with pytest.raises(StoreError, match="was deleted, moved or replaced") as refused:
        save(store, run("b"))
    assert database.cause(refused.value) == "home-gone"
    (tmp_path / "moved.db").rename(tmp_path / "descent.db")
    save(store, run("c"))
    assert [row.id for row in store.runs()] == ["a", "c"]
    store.close()


def test_a_drive_on_which_sqlite_cannot_keep_its_log_is_named(tmp_path):
    drive = sqlite3.connect(f"file:{tmp_path}/x.db?vfs=unix-none", uri=True)
    with (
        contextlib.closing(drive),
        pytest.raises(StoreError, match=r"network drives.*HOME.*DATABASE_URL"),
    ):
        database._prepare_sqlite(drive, None)


def test_a_full_disk_is_told_from_other_errors(sqlite_url, tmp_path):
    store = Store(sqlite_url, tmp_path)
    save(store, run("full", name="database is locked, disk full"))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(Exception, match="full") as refused:
        save(store, run("a"), frames=[("weights", step) for step in range(300)])
    assert database.cause(refused.value) == "disk-full"
    with pytest.raises(IntegrityError, match="full") as refused:
        store.save([Batch(run("full"), [scalars(1, 0), scalars(1, 0)])])
    assert database.cause(refused.value) == "failed"
    store.close()
