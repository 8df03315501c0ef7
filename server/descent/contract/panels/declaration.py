"""Declaring a panel: the decorator of a probe, one per kind, and charts of scalars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from descent.contract.panels.charts import Bars, Histogram, Lines, Ranking
from descent.contract.panels.images import Heatmap, Images
from descent.contract.panels.network import Attention, Blueprint, Convolution, Flow, Graph, Maps
from descent.contract.panels.picture import Picture
from descent.contract.panels.plane import Arrows, Contour, Field
from descent.contract.panels.text import Tokens, Traces

Size = Literal["hero", "pair", "wide", "small"]  # a pair is as large as the hero, beside it


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture on the page, as the experiment declares it. `name` is the attribute's name.

    `group`: empty for the experiment's own; `effects` for those every experiment with objectives has, which
    the engine draws. `coming`: it shows the coming step, so there is none when the run has ended. `recorded`:
    it is looked at for the record while nobody watches; not where that costs too much.
    """

    name: str
    kind: str
    title: str
    caption: str  # one line: what to look for; empty where the English lesson says it
    size: Size
    options: Mapping[str, Any]
    group: str = ""
    coming: bool = False
    recorded: bool = True


P = TypeVar("P", bound=Picture)
Probe = Callable[[Any, Any], P]


def panel(picture: type[P]) -> Callable[..., Callable[[Probe[P]], Probe[P]]]:
    """The decorator for probes of one kind.

    Its arguments: `title`; `caption` (one line that says what to look for, here or in the English lesson),
    `size`, and options for the page: `edits="knob"` lets the learner set that live knob on the picture itself
    (a point, a token's position, a row's id, a weight), `selects="knob"` a stretch of its text (first token,
    one past the last), `filmstrip=True` keeps earlier images along a film, `legend=False` leaves out the
    names of `Lines` that another panel shows. `holds=["knob"]` puts knobs into the panel, beside what they
    act on. `links="panel"` of a text: a token that is pointed at is its row of attention there, and the other
    way round; `shows="panel"` of a graph: the map of the unit that is pointed at is shown there. `when`
    ({knob: values}) and `above` ({knob: bound}) say with which knobs it has something to show: with others
    it is not there.
    """

    def declare(
        title: str, *, caption: str = "", size: Size = "small", **options: Any
    ) -> Callable[[Probe[P]], Probe[P]]:
        def mark(probe: Probe[P]) -> Probe[P]:
            probe.__dict__["panel"] = Panel(
                name=probe.__name__,
                kind=picture.kind,
                title=title,
                caption=caption,
                size=size,
                options=options,
            )
            return probe

        return mark

    return declare


images = panel(Images)
heatmap = panel(Heatmap)
field_map = panel(Field)
arrows = panel(Arrows)
graph = panel(Graph)
contour = panel(Contour)
bars = panel(Bars)
histogram = panel(Histogram)
attention = panel(Attention)
tokens = panel(Tokens)
traces = panel(Traces)
ranking = panel(Ranking)
lines = panel(Lines)
convolution = panel(Convolution)
maps = panel(Maps)
blueprint = panel(Blueprint)
flow = panel(Flow)


class scalars:
    """Declare a chart of scalars as a class attribute. Needs no probe: the engine streams every scalar.

    `title`, `caption` and `size` as for a probe. `series` maps the scalar's name (`loss/train`) to its title
    in the legend. `smoothing` (0…0.99) is the weight the chart's smoothing begins with. `when`, `above` as
    for a probe.
    """

    def __init__(
        self,
        series: Mapping[str, str],
        title: str,
        *,
        caption: str = "",
        size: Size = "small",
        log: bool = False,
        smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        self.series = dict(series)
        self._rest = {"title": title, "caption": caption, "size": size}
        self._options = {"series": self.series, "log": log, "smoothing": smoothing, **options}

    def __set_name__(self, owner: type, name: str) -> None:
        self.panel = Panel(name=name, kind="scalars", options=self._options, **self._rest)  # type: ignore[arg-type]


def panels_of(cls: type) -> dict[str, Panel]:
    """The panels a class declares, by name, base classes first, in the order they are written."""
    found: dict[str, Panel] = {}
    for base in reversed(cls.__mro__):
        for attribute in vars(base).values():
            declared = getattr(attribute, "panel", None)
            if isinstance(declared, Panel):
                found[declared.name] = declared
    return found
