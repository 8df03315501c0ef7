"""A list of runs in an order other than that in which they were made, a page at a time.

Some orders are of what SQL cannot say, such as how many knobs differ from their defaults. So the columns that
an order needs are read of all runs, and whole rows only of one page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from descent.contract.entry import Entry
from descent.registry import Registry
from descent.store.schema import RunRow
from descent.store.store import Column

Sort = Literal["created", "name", "experiment", "status", "changes", "step", "loss", "tags", "size"]
Key = Callable[[Any], Any]

COLUMNS: Mapping[Sort, Sequence[Column]] = {
    "name": [RunRow.name],
    "experiment": [RunRow.experiment],
    "status": [RunRow.status],
    "changes": [RunRow.experiment, RunRow.knobs],
    "step": [RunRow.step],
    "loss": [RunRow.latest],
    "tags": [RunRow.tags],
    "size": [(RunRow.frame_bytes + RunRow.checkpoint_bytes + RunRow.scalar_bytes).label("recorded_bytes")],
}

R = TypeVar("R")


def titled(registry: Registry, search: str) -> list[str]:
    """The experiments whose title in either language has `search` in it."""
    sought = search.casefold()
    return [
        id
        for id, entry in registry.items()
        if sought and any(sought in entry.titled(lang).casefold() for lang in entry.lessons)
    ]


@dataclass(frozen=True)
class Order:
    """`by`: a column of the list; titles of experiments are in `lang`."""

    by: Sort = "created"
    descending: bool = True
    lang: str = "en"

    def sorted(self, runs: Iterable[R], registry: Registry) -> list[R]:
        """The runs in this order, given the newest first; those that lack what it is by come last."""
        if self.by == "created":
            return list(runs) if self.descending else list(runs)[::-1]
        key = self._key(registry)
        keyed = [(key(run), run) for run in runs]
        known = [one for one in keyed if one[0] not in (None, "", ())]
        known.sort(key=lambda one: one[0], reverse=self.descending)
        return [run for _, run in known] + [run for found, run in keyed if found in (None, "", ())]

    def _key(self, registry: Registry) -> Key:
        def title(run: Any) -> str:
            known = run.experiment in registry
            return registry[run.experiment].titled(self.lang) if known else str(run.experiment)

        def changes(run: Any) -> int | None:
            known = run.experiment in registry
            return len(changed(registry[run.experiment], run.knobs)) if known else None

        keys: Mapping[Sort, Key] = {
            "name": lambda run: run.name.casefold(),
            "experiment": title,
            "status": lambda run: run.status,
            "changes": changes,
            "step": lambda run: run.step,
            "loss": lambda run: run.latest.get(main_scalar(run.latest)),
            "tags": lambda run: tuple(tag.casefold() for tag in run.tags),
            "size": lambda run: run.recorded_bytes,
        }
        return keys[self.by]


def main_scalar(latest: Mapping[str, float]) -> str | None:
    """The scalar that summarises a run, as `mainScalar` of the page: its loss, or its first one."""
    loss = next((name for name in ("loss/train", "loss") if name in latest), None)
    return loss or next((name for name in latest if name.startswith("loss/")), next(iter(latest), None))


def changed(entry: Entry, knobs: Mapping[str, Any]) -> list[str]:
    """The knobs that affect training and differ from their defaults."""
    defaults, looks = _defaults(entry), entry.knobs_type.looks()
    return [name for name, value in knobs.items() if name not in looks and value != defaults.get(name, {})]


@cache
def _defaults(entry: Entry) -> dict[str, Any]:
    return entry.knobs_type().model_dump(mode="json")


NEWEST_FIRST = Order()
