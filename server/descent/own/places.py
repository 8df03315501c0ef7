"""Where experiments of one's own lie: folders and files named at the start, and installed packages.

Finding and reading them runs nothing of theirs.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from descent.contract.entry import Broken, Code, Reason
from descent.lessons import LANGUAGES

GROUP = "descent.experiments"  # of entry points: name = "a module that is a folder"
NAME = re.compile(r"[a-z][a-z0-9_]*")
LARGEST = 1 << 20  # bytes of a file

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Place:
    """A folder with experiments, which are a chapter. `only`: these files of it, empty for all."""

    chapter: str
    called: str
    folder: Path
    only: frozenset[str] = frozenset()
    package: str = ""

    def stamp(self) -> Stamp:
        """Changes when a file does that matters."""
        found = []
        for path in sorted([*self.folder.glob("*.py"), *self.folder.glob("*.md")]):
            try:
                stat = path.stat()
            except OSError:  # an editor is replacing it
                continue
            found.append((path.name, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def read(self) -> Iterator[Code | Broken]:
        """Its experiments' files: all but those whose name begins with _."""
        files = sorted(self.folder.glob("*.py")) if not self.only else []
        paths = [path for path in files if not path.name.startswith(("_", "."))]
        beside: dict[str, str] = {}
        for path in sorted(self.folder.glob("_*.py")):
            if path.stem != "__init__" and (text := _text(path)) is not None:
                beside[path.stem] = text
        for path in paths or [self.folder / name for name in sorted(self.only)]:
            yield self._code(path, beside)

    def _code(self, path: Path, beside: dict[str, str]) -> Code | Broken:
        def broken(reason: Reason, detail: str) -> Broken:
            shown = f"{self.folder.name}/{path.name}"
            return Broken(path.stem.replace("_", "-"), self.chapter, self.called, shown, 0, reason, detail)

        if not NAME.fullmatch(path.stem):
            return broken(
                "name", "a file's name is the experiment's id: a to z, 0 to 9 and _, a letter first"
            )
        text = _text(path)
        if text is None:
            return broken("unreadable", f"it cannot be read as UTF-8 of at most {LARGEST >> 20} MiB")
        lessons = {language: _text(path.with_name(f"{path.stem}.{language}.md")) for language in LANGUAGES}
        said = {language: lesson for language, lesson in lessons.items() if lesson is not None}
        return Code(self.chapter, self.called, path.stem, str(path), text, said, beside, self.package)


def _text(path: Path) -> str | None:
    """A file's text, None where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            return None
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError):
        return None


def absent(paths: Sequence[Path]) -> list[Path]:
    """Those of the paths that are neither a folder nor a Python file."""
    return [path for path in paths if not (path.is_dir() or (path.suffix == ".py" and path.is_file()))]


def places(paths: Sequence[Path], shipped: Sequence[str]) -> list[Place]:
    """The folders and files, then the installed packages; `shipped`: ids of chapters that are taken."""
    folders: dict[Path, set[str] | None] = {}
    for path in map(Path.resolve, paths):
        if path.is_dir():
            folders[path] = None
        elif (files := folders.setdefault(path.parent, set())) is not None:
            files.add(path.name)
    taken = set(shipped)
    found = [
        Place(_id(folder.name, taken), folder.name or "/", folder, frozenset(files or ()))
        for folder, files in folders.items()
    ]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        folder = folder_of(point.value)
        if folder is not None and folder not in folders:
            found.append(Place(_id(point.name, taken), point.name, folder, package=point.value))
    return found


def folder_of(package: str) -> Path | None:
    """The folder of an installed package, which is not imported for that."""
    top, *below = package.split(".")
    spec = importlib.util.find_spec(top)
    locations = (spec.submodule_search_locations if spec else None) or ()
    found = [Path(location).joinpath(*below) for location in locations]
    return next((folder.resolve() for folder in found if folder.is_dir()), None)


def _id(name: str, taken: set[str]) -> str:
    """A chapter's id, which is part of its address."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "own"
    id, number = plain, 2
    while id in taken:
        id, number = f"{plain}-{number}", number + 1
    taken.add(id)
    return id
