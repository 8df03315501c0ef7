"""Charts of the scalars that a script names, which it may go on naming as it trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from descent.declared import DeclaredPanel, measures_of
from descent.declared.declaration import MOST_SERIES

MOST_CHARTS = 12  # of scalars that are neither losses nor accuracies; further ones share the last


def charts(scalars: Iterable[str], texts: Mapping[str, Mapping[str, str]]) -> list[DeclaredPanel]:
    """Losses in one chart, the hero; accuracies in another; each further scalar in one of its own."""
    names = list(scalars)
    measures = measures_of(names)
    accuracies = [name for name in names if name in measures and measures[name].kind == "accuracy"]
    losses = [name for name in names if name in measures and name not in accuracies]
    rest = [name for name in names if name not in measures]
    found = []
    for name, series in (("loss", losses), ("accuracy", accuracies)):
        if series:
            found.append(_chart(name, series, texts[name]["title"], texts[name]["caption"]))
    own, shared = (
        (rest, []) if len(rest) <= MOST_CHARTS else (rest[: MOST_CHARTS - 1], rest[MOST_CHARTS - 1 :])
    )
    found += [_chart(f"scalar_{number}", [name], name) for number, name in enumerate(own, 1)]
    if shared:
        found.append(_chart("scalars", shared, ", ".join(shared[:3])[:90] + " …"))
    if found:
        found[0] = found[0].model_copy(update={"size": "hero"})
    return found


def _chart(name: str, series: list[str], title: str, caption: str = "") -> DeclaredPanel:
    shown = {one: one for one in series[:MOST_SERIES]}
    return DeclaredPanel(name=name, kind="scalars", title=title, caption=caption, series=shown)
