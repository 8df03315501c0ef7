"""Finds the experiments, checks the contract, sorts them.

Every module below `descent.experiments.<chapter>` that defines an `Experiment` is one. Its id is the
file's name with hyphens for underscores. A chapter is a folder, whose `__init__` gives its place. Nothing is
listed by hand: what breaks the contract raises.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import descent.experiments
from descent.checking import ContractError, checked, experiments_in
from descent.contract import Experiment
from descent.contract.entry import Broken, Entry
from descent.errors import BrokenExperiment, UnknownExperiment
from descent.lessons import LANGUAGES, read_lesson


class Registry(Mapping[str, Entry]):
    """Experiments by id, in learning order: those that come with Descent, then those of one's own."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.shipped = dict(entries)
        self.broken: Sequence[Broken] = ()
        self.version = 0  # counts the changes of what is one's own
        self._entries = self.shipped

    def take(self, own: Mapping[str, Entry], broken: Sequence[Broken]) -> None:
        """Have these of one's own, and know why these files give none; instead of those before."""
        entries = {**self.shipped, **own}
        if entries != self._entries or tuple(broken) != self.broken:
            self._entries, self.broken = entries, tuple(broken)
            self.version += 1

    def __getitem__(self, id: str) -> Entry:
        return self._entries[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, id: str) -> Entry:
        """The experiment `id`. Raises `UnknownExperiment` and `BrokenExperiment`."""
        try:
            return self._entries[id]
        except KeyError:
            for broken in self.broken:
                if broken.id == id:
                    raise BrokenExperiment(str(broken), "experiment", **broken.params()) from None
            known = ", ".join(self._entries)
            raise UnknownExperiment(
                f"there is no experiment {id[:64]!r}; there are {known}", "experiment"
            ) from None


@cache
def experiments() -> Registry:
    """The experiments that come with Descent, by chapter, then `order`, then id. Raises `ContractError`."""
    found: dict[str, Entry] = {}
    for module_info in pkgutil.walk_packages(descent.experiments.__path__, "descent.experiments."):
        if module_info.ispkg:
            continue
        chapter, _, stem = module_info.name.removeprefix("descent.experiments.").partition(".")
        module = importlib.import_module(module_info.name)
        for cls in experiments_in(module):
            entry = _entry(cls, chapter, stem, inspect.getdoc(module) or "")
            if entry.id in found:
                raise ContractError(f"{module_info.name}: the id {entry.id!r} is taken")
            found[entry.id] = entry
    for entry in found.values():
        if unknown := set(entry.knobs_type.lenders().values()) - found.keys():
            raise ContractError(f"{entry.cls.__module__}: there are no experiments {sorted(unknown)}")
    sorted_ = dict(sorted(found.items(), key=_learning_order))
    _check_path(sorted_)
    return Registry(sorted_)


def _check_path(found: Mapping[str, Entry]) -> None:
    """Every prerequisite comes earlier in learning order, so there is no circle. Raises `ContractError`."""
    before: set[str] = set()
    for entry in found.values():
        if onward := set(entry.end.next if entry.end else ()) - entry.cls.presets.keys() - found.keys():
            raise ContractError(
                f"{entry.cls.__module__}: `end.next`: no presets or experiments {sorted(onward)}"
            )
        where = f"{entry.cls.__module__}: `after`"
        if unknown := set(entry.cls.after) - found.keys():
            raise ContractError(f"{where}: there are no experiments {sorted(unknown)}")
        if later := set(entry.cls.after) - before:
            raise ContractError(f"{where}: {sorted(later)} do not come before it in learning order")
        before.add(entry.id)


def _learning_order(item: tuple[str, Entry]) -> tuple[int, str, int, str]:
    entry = item[1]
    chapter = chapter_of(entry.chapter)
    assert chapter is not None, entry.chapter
    return chapter.order, entry.chapter, entry.cls.order, entry.id


def chapters() -> list[str]:
    """The ids of the chapters that come with Descent."""
    return sorted({entry.chapter for entry in experiments().values()})


@dataclass(frozen=True)
class Chapter:
    """A folder of experiments. `title` and `about`, one line, by language."""

    order: int
    title: Mapping[str, str]
    about: Mapping[str, str]


def chapter_with(entry: Entry) -> Chapter:
    """The chapter of an experiment."""
    if entry.code is not None:
        folder = entry.code.called
        return Chapter(len(chapters()), dict.fromkeys(LANGUAGES, folder), own_about(folder))
    chapter = chapter_of(entry.chapter)
    assert chapter is not None, entry.chapter
    return chapter


def own_about(called: str) -> dict[str, str]:
    """What a chapter of one's own is about."""
    return {
        "en": f"Experiments of your own, from {called}.",
        "ko": f"{called}에 있는 직접 만든 실험입니다.",
    }


def chapter_of(name: str) -> Chapter | None:
    """A chapter's `ORDER`, `TITLE` and `ABOUT`, from its `__init__`; None if one is missing."""
    module = importlib.import_module(f"descent.experiments.{name}")
    order, title, about = (getattr(module, constant, None) for constant in ("ORDER", "TITLE", "ABOUT"))
    if not isinstance(order, int) or not all(
        isinstance(text, Mapping) and text.keys() == set(LANGUAGES) for text in (title, about)
    ):
        return None
    assert title is not None
    assert about is not None
    return Chapter(order, title, about)


def _entry(cls: type[Experiment[Any]], chapter: str, name: str, docstring: str) -> Entry:
    if chapter_of(chapter) is None:
        raise ContractError(
            f"{cls.__module__}: chapter {chapter!r}: its __init__.py needs ORDER, TITLE and ABOUT by language"
        )
    return checked(
        cls,
        chapter,
        name,
        docstring,
        lesson_of=lambda language: read_lesson(language, name),
        file_of=lambda language: f"lessons/{language}/{name}.md",
    )
