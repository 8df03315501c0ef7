"""Stories: an experiment in three to six steps, ticked off as they happen.

The table `story` of a lesson's front matter holds the steps in order, each by an id. A step says what to
`do`, what to `see` and `why`; it is `done` when all its terms hold at one moment. `act` is what the page does
for a learner who asks to be shown. `ask` is a question put before the step, whose `answers` each say `when`
they are right: the run decides at the moment the step is done. The English lesson has the whole story, every
other language its texts alone.

The table `end` beside it is where a run has an end: the race is over, the task is solved. It says so when all
its terms hold, and what to try `next`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Gesture = Literal["pause", "step", "look-back", "branch", "compare", "effects", "sweep", "point"]
Status = Literal["running", "paused", "finished", "diverged"]
TEXTS = ("do", "see", "why")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Bounded(_Strict):
    above: float | None = None
    below: float | None = None

    def bounds(self, value: float) -> bool:
        """Whether a value lies strictly within the bounds; nan never does."""
        low, high = self.above, self.below
        return value == value and (low is None or value > low) and (high is None or value < high)


class KnobTerm(_Bounded):
    """A knob as it is set: a number within bounds, or a value it `equals`."""

    knob: str
    equals: float | bool | str | list[Any] | None = None


class ScalarTerm(_Bounded):
    """The last value of a scalar; `times`: as a multiple of what it was when the step of the story began."""

    scalar: str
    times: bool = False


class StepsTerm(_Strict):
    """So many steps of training since the step of the story or a new run began, or a knob was last set."""

    steps: Annotated[int, Field(gt=0)]


class PresetTerm(_Strict):
    """A preset's knobs are set."""

    preset: str


class FindingTerm(_Strict):
    """The health watch has told this since the step of the story began."""

    finding: str


class StatusTerm(_Strict):
    """What the run is doing."""

    status: Status


class GestureTerm(_Strict):
    """What the learner has done on the page since the step of the story began; `point` at `panel`."""

    gesture: Gesture
    panel: str = ""


Term = KnobTerm | ScalarTerm | StepsTerm | PresetTerm | FindingTerm | StatusTerm | GestureTerm


class Act(_Strict):
    """Knobs to set, or a preset to begin with."""

    knobs: dict[str, Any] = {}
    preset: str = ""


class Answer(_Strict):
    """An answer to choose, and the terms under which it is the right one."""

    say: str
    when: Annotated[list[Term], Field(min_length=1)]


class Step(_Strict):
    """One step of a story."""

    do: str
    see: str
    why: str
    done: Annotated[list[Term], Field(min_length=1)]
    act: Act | None = None
    ask: str = ""
    answers: dict[str, Answer] = {}


class End(_Strict):
    """What to `say` of a run when all terms of `done` hold, and ids of presets or experiments to try next."""

    say: str
    done: Annotated[list[Term], Field(min_length=1)]
    next: Annotated[list[str], Field(min_length=1, max_length=3)]


Story = Mapping[str, Step]
_story: TypeAdapter[dict[str, Step]] = TypeAdapter(dict[str, Step])


@dataclass
class Seen:
    """What terms are held against: the run now, and what has happened since the step of the story began."""

    knobs: Mapping[str, Any]
    scalars: Mapping[str, float]
    status: str = "running"
    steps: int = 0
    began: Mapping[str, float] = field(default_factory=dict)
    findings: Collection[str] = ()
    gestures: Collection[str] = ()  # `point` as `point:panel`


def read_story(words: Mapping[str, Any]) -> Story:
    """The story in an English lesson's front matter, empty if there is none. Raises `ValidationError`."""
    return _story.validate_python(words.get("story", {}))


def read_end(words: Mapping[str, Any]) -> End | None:
    """The end in an English lesson's front matter, if there is one. Raises `ValidationError`."""
    return End.model_validate(words["end"]) if "end" in words else None


def holds(terms: Iterable[Term], seen: Seen, presets: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether all terms hold at once. `presets`: their knobs."""
    return all(_holds(term, seen, presets) for term in terms)


def _holds(term: Term, seen: Seen, presets: Mapping[str, Mapping[str, Any]]) -> bool:
    match term:
        case KnobTerm(knob=knob, equals=None):
            return term.bounds(seen.knobs[knob])
        case KnobTerm(knob=knob, equals=value):
            return bool(_plain(seen.knobs[knob]) == _plain(value))
        case ScalarTerm(scalar=name, times=times):
            value = seen.scalars.get(name, nan)
            return term.bounds(value / (seen.began.get(name) or nan) if times else value)
        case StepsTerm(steps=steps):
            return seen.steps >= steps
        case PresetTerm(preset=preset):
            return all(_plain(seen.knobs[name]) == _plain(value) for name, value in presets[preset].items())
        case FindingTerm(finding=code):
            return code in seen.findings
        case StatusTerm(status=status):
            return seen.status == status
        case GestureTerm(gesture=gesture, panel=panel):
            return (f"{gesture}:{panel}" if panel else gesture) in seen.gestures


def _plain(value: Any) -> Any:
    return (
        [_plain(one) for one in value]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else value
    )


def texts(story: Story, end: End | None = None) -> Iterator[tuple[str, ...]]:
    """The paths of the texts of a story and an end in a lesson's front matter."""
    if end is not None:
        yield "end", "say"
    for id, step in story.items():
        for name in (*TEXTS, *(("ask",) if step.ask else ())):
            yield "story", id, name
        for answer in step.answers:
            yield "story", id, "answers", answer


def faults(
    story: Story,
    knobs: Collection[str],
    presets: Collection[str],
    panels: Collection[str],
    end: End | None = None,
) -> Iterator[str]:
    """What a story and an end speak of that their experiment does not have."""
    named = {"knob": knobs, "preset": presets, "panel": panels}
    if end is not None:
        yield from _unknown("end", _names(end.done, named), named)
    for id, step in story.items():
        if bool(step.ask) != bool(step.answers) or len(step.answers) == 1:
            yield f"story.{id}: a question needs two answers or more, and answers a question"
        said = _names(
            [*step.done, *(term for answer in step.answers.values() for term in answer.when)], named
        )
        if step.act:
            said += [("preset", step.act.preset), *(("knob", name) for name in step.act.knobs)]
        yield from _unknown(f"story.{id}", said, named)


def _names(terms: Iterable[Term], kinds: Iterable[str]) -> list[tuple[str, str]]:
    """What terms speak of: its kind, and its name."""
    return [(kind, name) for term in terms for kind in kinds if (name := getattr(term, kind, ""))]


def _unknown(
    where: str, said: Iterable[tuple[str, str]], named: Mapping[str, Collection[str]]
) -> Iterator[str]:
    for kind, name in said:
        if name and name not in named[kind]:
            yield f"{where}: there is no {kind} {name!r}"
