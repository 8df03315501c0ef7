"""Opens the database: its address, the exclusive claim, and the schema's version."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, StaticPool

from descent import __version__
from descent.store.schema import Base, MetaRow

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY = 2.0  # seconds a statement waits for another connection's lock
ADVISORY_KEY = 0x44657363656E74  # "Descent": the lock that a server on PostgreSQL holds while it runs
# SQLite's names of errors, and PostgreSQL's codes.
FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "53100")
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03")


class StoreError(Exception):
    """A store that cannot be used, with what to do about it; `reason`: a code, as of `cause`."""

    def __init__(self, message: str, reason: str = "failed") -> None:
        super().__init__(message)
        self.reason = reason


class StoreInUse(StoreError):
    """Another process has claimed the store."""


class NewerStore(StoreError):
    """The store was written by a newer version."""


def connect(url: str, home: Path, *, make: bool = True) -> tuple[Engine, str]:
    """An engine for `url`, or for the SQLite file in `home` where that is empty, and its name in messages.

    Raises `StoreError` if `url` is no database's address, or there is no file and none is to be made.
    """
    try:
        parsed = make_url(url) if url else URL.create("sqlite", database=str(home / "descent.db"))
    except ArgumentError as error:
        raise StoreError("DATABASE_URL is no address of a database") from error
    if parsed.get_backend_name() == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        try:
            engine = create_engine(parsed, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise StoreError(
                "PostgreSQL needs its driver: pip install 'descent-playground[postgres]'"
            ) from error
        return engine, parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise StoreError(f"DATABASE_URL is for SQLite files and PostgreSQL, not {parsed.drivername}")
    file = Path(str(parsed.database))
    if not make and not file.exists():
        raise StoreError(f"nothing is recorded in {file}")
    engine = create_engine(parsed, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine, str(file)


def _prepare_sqlite(connection: Any, record: object) -> None:
    # NORMAL: what was committed survives the end of this process, if not always a power cut, and a commit
    # does not wait for the disk. The file is never torn. What is deleted can be given back to the disk a
    # piece at a time: that must be set before there is a table. It is not overwritten with zeros, as some
    # builds of SQLite do: to delete a run would take as much room again as it has.
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    for pragma in ("secure_delete=FAST", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    with contextlib.closing(connection.execute("PRAGMA journal_mode=WAL")) as answer:
        (mode,) = answer.fetchone()
    if mode not in ("wal", "memory"):
        raise StoreError(
            f"SQLite cannot keep its log there (it says {mode!r}), as on network drives; take a folder "
            "on a disk of this machine (setting HOME), or PostgreSQL (setting DATABASE_URL)"
        )


def nothing() -> Engine:
    """A database in which nothing is recorded."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    return engine


@contextlib.contextmanager
def claimed(engine: Engine, called: str) -> Iterator[None]:
    """Context in which no other process may claim the store. Raises `StoreInUse`."""
    refusal = StoreInUse(
        f"another Descent uses the store {called}; stop it, or choose another (settings HOME, DATABASE_URL)"
    )
    if engine.dialect.name == "sqlite":
        Path(called).parent.mkdir(parents=True, exist_ok=True)
        try:
            # Whichever thread opened the store, another may close it.
            lock = FileLock(f"{called}.lock", timeout=0, thread_local=False).acquire()
        except Timeout:
            raise refusal from None
        with lock:
            yield
        return
    # The lock is held by this connection, and gone with it, however the process ends.
    keeper = create_engine(engine.url, poolclass=NullPool)
    with keeper.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY}):
            raise refusal
        try:
            yield
        finally:  # unlocking frees it at once; a lost connection, only when the server notices
            with contextlib.suppress(OperationalError):
                connection.scalar(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})


def migrate(engine: Engine, called: str) -> None:
    """Bring the schema to this version. Raises `NewerStore`."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":  # its driver begins none for a change of the schema
            connection.exec_driver_sql("BEGIN")
        version = check_version(connection, called)
        if version == head():
            return
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        with Session(connection) as session:
            session.merge(MetaRow(key="version", value=__version__))
            session.commit()


def check_version(connection: Connection, called: str) -> str | None:
    """The schema's revision, None in an empty database. Raises `NewerStore`."""
    version = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in _scripts().walk_revisions()}
    if version is None or version in known:
        return version
    by = connection.scalar(select(MetaRow.value).where(MetaRow.key == "version")) or "a newer version"
    raise NewerStore(
        f"the store {called} was written by Descent {by} (schema {version}); this is Descent {__version__} "
        f"(schema {head()}). Update Descent, or choose another store (settings HOME, DATABASE_URL)"
    )


def head() -> str | None:
    """The revision of the schema that this version reads and writes."""
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def cause(error: BaseException) -> str:
    """The code for a failed write: `disk-full`, `locked`, `home-gone` or `failed`."""
    if isinstance(error, StoreError):
        return error.reason
    driver = getattr(error, "orig", error)
    code = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", None) or ""
    if code.startswith(FULL) or getattr(driver, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return "disk-full"
    return "locked" if code.startswith(LOCKED) else "failed"
