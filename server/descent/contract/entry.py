"""An experiment as the rest of Descent sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import PurePath
from typing import Any, Literal

from descent.contract.experiment import Experiment
from descent.contract.knobs import Knobs
from descent.contract.panels import Panel
from descent.errors import UnknownPanel
from descent.lessons import Lesson
from descent.stories import End, Story
from descent.tasks import Challenges, Questions


@dataclass(frozen=True, eq=False)
class Code:
    """An experiment of one's own as its files were read: enough to make its entry in any process.

    `chapter`: the chapter's id, `called` its name; `name`: the file's, without `.py`; `file`: its path;
    `lessons`: by language, those there are; `beside`: modules of helpers that lie beside it, by name;
    `package`: where relative imports begin.
    """

    chapter: str
    called: str
    name: str
    file: str
    text: str
    lessons: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    package: str = ""

    @property
    def id(self) -> str:
        """The experiment's."""
        return self.name.replace("_", "-")

    @property
    def shown(self) -> str:
        """The file as errors call it: in its folder."""
        return "/".join(PurePath(self.file).parts[-2:])

    @cached_property
    def digest(self) -> str:
        """Of all that a run depends on, so not of the lessons."""
        return _digest(self.text, *(part for item in sorted(self.beside.items()) for part in item))

    @cached_property
    def version(self) -> str:
        """A digest of everything."""
        return _digest(
            self.file, self.digest, *(part for item in sorted(self.lessons.items()) for part in item)
        )


def _digest(*texts: str) -> str:
    whole = sha256()
    for text in texts:
        whole.update(sha256(text.encode()).digest())
    return whole.hexdigest()[:16]


Reason = Literal["syntax", "import", "contract", "lesson", "name", "taken", "unreadable", "slow", "ended"]


@dataclass(frozen=True)
class Broken:
    """A file of one's own that gives no experiment: `reason`, and what Python or the contract says of it.

    `file` and `line` are where to mend it; 0 where no line is to blame.
    """

    id: str
    chapter: str
    called: str
    file: str
    line: int
    reason: Reason
    detail: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.detail}"

    def params(self) -> dict[str, Any]:
        """The values in a refusal."""
        return {"file": self.file, "line": self.line, "reason": self.reason, "message": self.detail}


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
    challenges: Challenges = field(default_factory=dict)
    questions: Questions = field(default_factory=dict)
    code: Code | None = None  # of one's own

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
