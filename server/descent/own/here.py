"""Experiments of one's own in this process, for a command that is given in a terminal and ends by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from descent.contract.entry import Broken, Code, Entry
from descent.own.load import NotLoaded, loaded, not_loaded
from descent.own.places import places
from descent.registry import Registry, chapters, experiments


def all_experiments(paths: Sequence[Path]) -> Registry:
    """Those that come with Descent, and those in these places; it knows of files that do not load."""
    registry = Registry(experiments())
    own: dict[str, Entry] = {}
    broken: list[Broken] = []
    for place in places(paths, chapters()):
        for code in place.read():
            found = _found(code, {*registry.shipped, *own})
            if isinstance(found, Broken):
                broken.append(found)
            else:
                own[found.id] = found
    registry.take(own, broken)
    return registry


def _found(code: Code | Broken, taken: set[str]) -> Entry | Broken:
    if isinstance(code, Broken):
        return code
    if code.id in taken:
        return not_loaded(code, "taken", f"there is an experiment {code.id!r} already; rename the file")
    try:
        return loaded(code)
    except NotLoaded as error:
        return error.broken
