"""Keeps the experiments of one's own in the registry: tried apart, then loaded, and again when saved."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from descent.contract.entry import Broken, Code, Entry
from descent.own.blame import line_in
from descent.own.load import NotLoaded, loaded, not_loaded
from descent.own.places import Place, Stamp
from descent.registry import Registry
from descent.workers.vetting import fault_of

logger = logging.getLogger(__name__)

EVERY = 0.25  # seconds between two looks at the files
FIRST = 5.0  # seconds that the server waits at its start for all of them; others come when they have loaded
AT_ONCE = 4  # files tried at the same time

Found = Entry | Broken


class OwnExperiments:
    """The experiments in some places. `follows`: files that are saved are taken up while the server runs."""

    def __init__(
        self,
        registry: Registry,
        places: Sequence[Place],
        *,
        follows: bool = False,
        fault: Callable[[Code, threading.Event], Broken | None] = fault_of,
    ) -> None:
        """`fault`: tells why a file gives no experiment, before it is loaded here."""
        self.registry = registry
        self.follows = follows and bool(places)
        self._places = places
        self._fault = fault
        self._given_up = threading.Event()
        self._stamps: list[Stamp] | None = None
        self._read: Sequence[Code | Broken] = ()
        self._found: dict[str, Found] = {}  # by version of the code
        self._shown: dict[str, Found] = {}  # by id
        self._trying: dict[str, asyncio.Task[None]] = {}  # by version
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    @property
    def changing(self) -> bool:
        """Whether there may be others in a moment."""
        return self.follows or bool(self._trying)

    async def begin(self) -> None:
        """Find them, and follow them from then on."""
        if not self._places:
            return
        await self.look()
        if self._trying:
            await asyncio.wait(self._trying.values(), timeout=FIRST)
        if self.follows:
            self._task = asyncio.create_task(self._follow())

    async def end(self) -> None:
        """Follow them no longer."""
        self._given_up.set()
        tasks = [*self._trying.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except Exception:  # the next look may go well
                logger.exception("the experiments of one's own could not be read")

    async def look(self) -> None:
        """Read what was saved, or is new or gone, since the last look. It is taken up once it was tried."""
        stamps = await asyncio.to_thread(lambda: [place.stamp() for place in self._places])
        if stamps == self._stamps:
            return
        read = await asyncio.to_thread(lambda: [one for place in self._places for one in place.read()])
        self._stamps, self._read = stamps, self._without_doubles(read)
        codes = {code.version: code for code in self._read if isinstance(code, Code)}
        self._found = {version: one for version, one in self._found.items() if version in codes}
        for version, code in codes.items():
            if version not in self._found and version not in self._trying:
                self._trying[version] = asyncio.create_task(self._try(code))
        self._take()

    async def tried(self) -> None:
        """Wait until all that was read is taken up."""
        while self._trying:
            await asyncio.wait(self._trying.values())

    async def _try(self, code: Code) -> None:
        try:
            async with self._turns:
                self._found[code.version] = await asyncio.to_thread(self._loaded, code)
        finally:
            del self._trying[code.version]
        self._take()

    def _loaded(self, code: Code) -> Found:
        try:
            return self._fault(code, self._given_up) or loaded(code)
        except NotLoaded as error:
            return error.broken
        except (OSError, EOFError) as error:
            return not_loaded(code, "ended", f"no process could be started to try it in: {error}")

    def _take(self) -> None:
        """Show what was found; of a file that is being tried what was found of it before."""
        now = [self._found.get(one.version) if isinstance(one, Code) else one for one in self._read]
        known = {*self.registry.shipped, *(one.id for one in self._read)}
        found: list[Found] = []
        for read, one in zip(self._read, now, strict=True):
            if one is not None:
                found.append(self._placed(one, known))
            elif isinstance(read, Code) and read.id in self._shown:
                found.append(self._shown[read.id])
        for one in found:
            if isinstance(one, Broken) and one not in self.registry.broken:
                logger.warning("%s", one)
        self._shown = {one.id: one for one in found}
        entries = sorted((one for one in found if isinstance(one, Entry)), key=self._order)
        broken = [one for one in found if isinstance(one, Broken)]
        self.registry.take({entry.id: entry for entry in entries}, broken)

    def _order(self, entry: Entry) -> tuple[int, int, str]:
        chapters = [place.chapter for place in self._places]
        return chapters.index(entry.chapter), entry.cls.order, entry.id

    def _without_doubles(self, read: Sequence[Code | Broken]) -> list[Code | Broken]:
        taken = dict.fromkeys(self.registry.shipped, "comes with Descent")
        found: list[Code | Broken] = []
        for one in read:
            if isinstance(one, Code) and one.id in taken:
                detail = f"there is an experiment {one.id!r} already, which {taken[one.id]}; rename the file"
                one = not_loaded(one, "taken", detail)
            elif isinstance(one, Code):
                taken[one.id] = f"is {one.shown}"
            found.append(one)
        return found

    def _placed(self, found: Found, known: set[str]) -> Found:
        """The experiment, unless it names others that there are not."""
        if isinstance(found, Broken) or found.code is None:
            return found
        onward = set(found.end.next if found.end else ()) - found.cls.presets.keys()
        if unknown := sorted({*found.cls.after, *onward} - known):
            detail = f"`after`, or what comes next at the end: there are no experiments {unknown}"
            line = line_in(found.code.text, found.cls.__name__, detail)
            return not_loaded(found.code, "contract", detail, line)
        return found
