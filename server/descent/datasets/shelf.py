"""The data sets on this machine: fetched below `HOME/data`, a folder each, or the learner's own in `DATA`.

A set is fetched into `<name>.part`, and gets its name when all of it is there and right. Nobody reads
half of one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from descent.datasets.catalogue import CATALOGUE, DataSet, File
from descent.errors import FetchFailed, UnknownData
from descent.kit.data.sets import located
from descent.settings import Settings

Place = Literal["fetched", "own", "absent"]
Told = Callable[[int], None]  # bytes of the set that are there
MARGIN = 16 << 20  # bytes left free on the disk


class Shelf:
    """Where the sets of a catalogue lie, and how they get there."""

    def __init__(self, settings: Settings, catalogue: Mapping[str, DataSet] = CATALOGUE) -> None:
        self.catalogue = catalogue
        self._folder = settings.home / "data"
        self._own = settings.data
        self._mirror = settings.data_mirror.rstrip("/")

    def find(self, name: str) -> DataSet:
        """The set `name`. Raises `UnknownData`."""
        try:
            return self.catalogue[name]
        except KeyError:
            known = ", ".join(self.catalogue)
            raise UnknownData(f"there is no data set {name[:64]!r}; there are {known}", "name") from None

    def place(self, one: DataSet) -> Place:
        """Whether it was fetched, or lies in the learner's own folder, which goes first."""
        if self._own and located(one.name, [self._own]):
            return "own"
        return "fetched" if located(one.name, [self._folder]) else "absent"

    def begun(self, one: DataSet) -> int:
        """Bytes that an interrupted fetch has left, and that the next goes on from."""
        work = self._work(one)
        return sum(_size(work / file.name) or _size(work / f"{file.name}.part") for file in one.files)

    def fetch(self, one: DataSet, told: Told, stop: threading.Event) -> None:
        """Fetch a set that is not there yet. What came so far stays for the next time where the line breaks.

        Raises `FetchFailed`, and `download.Cancelled` once `stop` is set.
        """
        from descent.datasets.download import download  # pooch and requests, for this alone
        from descent.datasets.unpack import unpack

        work, unpacked = self._work(one), self._work(one) / "unpacked"
        with self._written(one), self._alone(one):
            if self.place(one) != "absent":
                return
            self._need_room(one)
            work.mkdir(exist_ok=True)
            try:
                before = 0
                for file in one.files:
                    download(file, self._url(one, file), work, functools.partial(_added, told, before), stop)
                    before += file.size
                shutil.rmtree(unpacked, ignore_errors=True)
                unpacked.mkdir()
                for file in one.files:
                    if file.holds:
                        unpack(file, work / file.name, unpacked)
                    else:
                        os.replace(work / file.name, unpacked / file.name)
            except FetchFailed as error:
                if error.params["reason"] == "wrong-file" or not self.begun(one):
                    shutil.rmtree(work)
                raise
            shutil.rmtree(self._folder / one.name, ignore_errors=True)  # it holds no file of the set
            os.replace(unpacked, self._folder / one.name)
            shutil.rmtree(work)

    def clear(self, one: DataSet) -> None:
        """Delete what an interrupted fetch has left."""
        with self._written(one):
            if self._work(one).is_dir():
                with self._alone(one):
                    shutil.rmtree(self._work(one))

    def remove(self, one: DataSet) -> None:
        """Delete a fetched set, and what an interrupted fetch has left. The learner's own folder stays."""
        self.clear(one)
        with self._written(one):
            here = self._folder / one.name
            if here.is_dir():
                with self._alone(one):
                    os.replace(here, self._work(one))  # at once: nobody finds half of it
                    shutil.rmtree(self._work(one))

    def _work(self, one: DataSet) -> Path:
        return self._folder / f"{one.name}.part"

    def _url(self, one: DataSet, file: File) -> str:
        return f"{self._mirror}/{one.name}/{file.name}" if self._mirror else file.url

    @contextlib.contextmanager
    def _alone(self, one: DataSet) -> Iterator[None]:
        """Keeps out other processes. Raises `FetchFailed` where one is at it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f".{one.name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise FetchFailed(
                f"another Descent is fetching {one.title} at the moment; wait until it has", reason="busy"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _written(self, one: DataSet) -> Iterator[None]:
        """Turns an error of the disk into `FetchFailed`."""
        try:
            yield
        except OSError as error:
            raise FetchFailed(
                f"{one.title} could not be written to {self._folder} ({error.strerror or error}); make "
                "room, or see who may write there",
                reason="not-written",
                folder=str(self._folder),
                cause=str(error.strerror or error),
            ) from error

    def _need_room(self, one: DataSet) -> None:
        """Raises `FetchFailed` where the set and its archives do not fit on the disk."""
        archives = sum(file.size for file in one.files if file.holds)
        needed = archives + sum(one.kept.values()) - self.begun(one) + MARGIN
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise FetchFailed(
                f"{one.title} needs {needed >> 20} MiB below {self._folder}, where {free >> 20} are free; "
                "make room",
                reason="no-room",
                needed=needed >> 20,
                free=free >> 20,
                folder=str(self._folder),
            )


def _added(told: Told, before: int, done: int) -> None:
    told(before + done)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
