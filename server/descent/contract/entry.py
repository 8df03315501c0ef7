"""An experiment as the rest of Descent sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from descent.contract.experiment import Experiment
from descent.contract.knobs import Knobs
from descent.contract.panels import Panel
from descent.errors import UnknownPanel
from descent.lessons import Lesson
from descent.stories import End, Story


@dataclass(frozen=True, eq=False)
class Entry:
    """An experiment with its place, its texts and all its panels, the generic ones too."""

    id: str
    chapter: str
    title: str
    summary: str
    cls: type[Experiment[Any]]
    panels: Mapping[str, Panel]
    lessons: Mapping[str, Lesson]
    story: Story
    end: End | None = None

    @property
    def knobs_type(self) -> type[Knobs]:
        """The pydantic model of its knobs."""
        return self.cls.knobs_type

    def titled(self, lang: str) -> str:
        """Its title in a language."""
        return str(self.lessons[lang].words.get("title", self.title))

    def panel(self, name: str) -> Panel:
        """The panel `name`. Raises `UnknownPanel`."""
        try:
            return self.panels[name]
        except KeyError:
            known = ", ".join(self.panels)
            raise UnknownPanel(f"{self.id} has no panel {name[:64]!r}; it has {known}", "panels") from None
