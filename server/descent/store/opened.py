"""A store as an open database: claimed by one process, of this version, with its room on the disk."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from descent.store import database
from descent.store.reserve import Reserve

PAGES = 256  # given back to the disk in one go: a megabyte
PATIENCE = 2.0  # seconds that giving back may keep others from writing


class OpenStore(ABC):
    """The database under a store, in sessions to read and to write."""

    def __init__(self, url: str, home: Path, *, read_only: bool = False, patient: bool = False) -> None:
        """Open the store at `url`, by default a file in `home`, claiming it unless it is only read.

        Raises `StoreError` where that cannot be. With `patient`, a full disk or a locked
        database does not raise; every write retries opening it.
        """
        self.trouble = ""  # why it could not be opened yet: `disk-full` or `locked`
        self.engine, self.called = database.connect(url, home, make=not read_only)
        self._read_from = self.engine
        is_file = self.engine.dialect.name == "sqlite"
        self._file = Path(self.called) if is_file and not read_only else None
        self._identity: tuple[int, int] | None = None  # of the file, once it is claimed
        self._reserve = Reserve(self._file) if self._file else None
        self._opened = contextlib.ExitStack()
        self._opened.callback(self.engine.dispose)
        try:
            if read_only:
                self._check()
            else:
                self._claim()
        except database.StoreError as error:
            if not patient or error.reason == "failed":
                self.close()
                raise
            self.trouble = error.reason
            self._read_from = database.nothing()
            self._opened.callback(self._read_from.dispose)

    def _check(self) -> None:
        """Raises `StoreError` if the store cannot be read."""
        with self._explained(), self.engine.connect() as connection:
            version = database.check_version(connection, self.called)
        if version is None:
            raise database.StoreError(f"nothing is recorded in {self.called}")
        if version != database.head():
            raise database.StoreError(
                f"the store {self.called} is of an older version: start a server on it once"
            )

    def _claim(self) -> None:
        """Claim the store, bring the schema to this version, and settle what was left undone."""
        with contextlib.ExitStack() as claim:
            with self._explained():
                claim.enter_context(database.claimed(self.engine, self.called))
                database.migrate(self.engine, self.called)
                with Session(self.engine) as session, session.begin():
                    self._settle(session)
            self._opened.push(claim.pop_all())
        self.trouble = ""
        self._read_from = self.engine
        if self._reserve is not None:
            self._identity = self._found()
            self._reserve.fill()

    @abstractmethod
    def _settle(self, session: Session) -> None:
        """Put right what the last server left undone."""

    def _found(self) -> tuple[int, int] | None:
        """Device and inode of the database's file; None if there is none."""
        if self._file is None:
            return None
        with contextlib.suppress(OSError):
            found = self._file.stat()
            return found.st_dev, found.st_ino
        return None

    def _need_home(self) -> None:
        """Raises `StoreError` where the file was deleted or replaced: what is written now would be lost."""
        if self._identity is not None and self._found() != self._identity:
            raise database.StoreError(
                f"{self.called} was deleted, moved or replaced while it was in use; nothing more is recorded "
                "until it is back, or the server is started anew",
                "home-gone",
            )

    @property
    def is_low(self) -> bool:
        """Whether the disk that it lies on is nearly full."""
        return self._reserve is not None and self._reserve.is_low()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            said = str(getattr(error, "orig", error)).strip()
            reason = database.cause(error)
            if reason == "locked":
                said += " (by another program, or as a network drive does: settings HOME, DATABASE_URL)"
            raise database.StoreError(f"the store {self.called} cannot be used: {said}", reason) from error

    def close(self) -> None:
        """Close the database."""
        self._opened.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        with Session(self._read_from, expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        if self.trouble:
            self._claim()
        self._need_home()
        with Session(self.engine) as session, session.begin():
            yield session

    # Room on the disk

    def size(self) -> int:
        """Bytes that the database takes on disk."""
        sqlite = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        asking = (
            sqlite if self.engine.dialect.name == "sqlite" else "SELECT pg_database_size(current_database())"
        )
        with self._reading() as session:
            return int(session.scalar(text(asking)) or 0)

    def shrink(self) -> None:
        """Return deleted space to the disk. It takes as much again while it works."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            if self.engine.dialect.name == "sqlite":  # from now on, where it was made without
                connection.execute(text("PRAGMA auto_vacuum=INCREMENTAL"))
            connection.execute(text("VACUUM"))
            if self.engine.dialect.name == "sqlite":
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def _shorten_log(self) -> None:
        with self.engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def give_back(self, least: int = 0) -> None:
        """Return unused space to the disk, if there are `least` bytes of it, for `PATIENCE` seconds at most.

        It takes little room itself, and begins where it ended.
        """
        if self._reserve is None:
            return
        self._need_home()
        until = time.monotonic() + PATIENCE
        with self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection), driver

            def pragma(said: str) -> int:
                return int(driver.execute(f"PRAGMA {said}").fetchone()[0])

            pragma("wal_checkpoint(TRUNCATE)")
            unused = pragma("freelist_count")
            while unused * pragma("page_size") > least and time.monotonic() < until:
                # A script goes on to the end; executed alone, a statement without columns stops after a page.
                driver.executescript(f"PRAGMA incremental_vacuum({PAGES})")
                pragma("wal_checkpoint(TRUNCATE)")
                before, unused = unused, pragma("freelist_count")
                if unused >= before:  # a file from before there was such a way back: `shrink` mends that
                    break
        self._reserve.fill()
