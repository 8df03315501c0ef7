"""Opens the database: which one, who may, and in which version."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from descent import __version__
from descent.store.schema import MetaRow

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY = 2.0  # seconds a statement waits for another connection's lock
ADVISORY_KEY = 0x44657363656E74  # "Descent": what a server on PostgreSQL holds while it runs


class StoreError(Exception):
    """A store that cannot be used, with what to do about it."""


class StoreInUse(StoreError):
    """Another process writes to it."""


class NewerStore(StoreError):
    """It was written by a newer version."""


def connect(url: str, home: Path) -> tuple[Engine, str]:
    """An engine for `url`, or for the SQLite file in `home` where that is empty, and what to call it."""
    if not url:
        home.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{home / 'descent.db'}"
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        try:
            engine = create_engine(parsed, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise StoreError("PostgreSQL needs its driver: pip install 'descent[postgres]'") from error
        return engine, parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise StoreError(f"DATABASE_URL is for SQLite files and PostgreSQL, not {parsed.drivername}")
    engine = create_engine(parsed, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine, str(parsed.database)


def _prepare_sqlite(connection: Any, record: object) -> None:
    # NORMAL: what was committed survives the end of this process, if not always a power cut, and a commit
    # does not wait for the disk. The file is never torn.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextlib.contextmanager
def claimed(engine: Engine, called: str) -> Iterator[None]:
    """Within it no other process may claim the store. Raises `StoreInUse`."""
    refusal = StoreInUse(
        f"another Descent uses the store {called}; stop it, or choose another place with --home"
    )
    if engine.dialect.name == "sqlite":
        try:
            with FileLock(f"{called}.lock", timeout=0):
                yield
        except Timeout:
            raise refusal from None
        return
    # The lock is held by this connection, and gone with it, however the process ends.
    keeper = create_engine(engine.url, poolclass=NullPool)
    with keeper.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY}):
            raise refusal
        yield


def migrate(engine: Engine, called: str) -> None:
    """Bring the schema to this version. Raises `NewerStore`."""
    with engine.begin() as connection:
        version = check_version(connection, called)
        if version == _scripts().get_current_head():
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
        f"(schema {_scripts().get_current_head()}). Update Descent, or choose another place with --home"
    )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def cause(error: Exception) -> str:
    """Why nothing could be written, as a code: `disk-full`, `locked` or `failed`."""
    words = str(error).lower()
    if "full" in words or "no space" in words or "errno 28" in words:
        return "disk-full"
    if isinstance(error, OperationalError) and "locked" in words:
        return "locked"
    return "failed"
