"""Descriptions of an experiment for the page, field by field: the types of responses in `experiments.py`.

They are typed dicts because an empty field is left out, as JSON Schema does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from descent.contract.experiment import Level
from descent.contract.knobs import Role
from descent.contract.panels import Size
from descent.engine.schedules import Setting
from descent.protocol import KnobValue, KnobValues
from descent.stories import Act, ScalarTerm, Term
from descent.tasks import Asked, Rule

EXACT = ConfigDict(extra="forbid")


@with_config(EXACT)
class RowSetting(TypedDict):
    """A setting of a row, in JSON Schema."""

    title: str
    type: Literal["number", "integer", "string"]
    default: str | float
    minimum: NotRequired[float]
    maximum: NotRequired[float]
    enum: NotRequired[list[str]]
    const: NotRequired[str]


@with_config(EXACT)
class RowSchema(TypedDict):
    """A kind of row of a knob that is a list of rows, in JSON Schema."""

    title: str
    type: Literal["object"]
    additionalProperties: Literal[False]
    properties: dict[str, RowSetting]


@with_config(EXACT)
class Item(TypedDict):
    """The items of a knob that is a list, in JSON Schema."""

    type: NotRequired[Literal["number", "integer", "string", "array"]]
    oneOf: NotRequired[Annotated[list[RowSchema], Field(description="The kinds of rows.")]]
    minimum: NotRequired[float]
    maximum: NotRequired[float]
    enum: NotRequired[list[str | int]]
    items: NotRequired[Item]
    minItems: NotRequired[int]
    maxItems: NotRequired[int]


KnobSchema = TypedDict(
    "KnobSchema",
    {
        "title": str,
        "description": str,
        "default": KnobValue,
        "type": Literal["number", "integer", "boolean", "string", "array"],
        "minimum": NotRequired[float],
        "maximum": NotRequired[float],
        "maxLength": NotRequired[int],
        "enum": NotRequired[list[str | int]],
        "const": NotRequired[str | int],
        "items": NotRequired[Item],
        "prefixItems": NotRequired[list[Item]],
        "minItems": NotRequired[int],
        "maxItems": NotRequired[int],
        "x-live": Annotated[bool, Field(description="Whether it takes effect at the next step.")],
        "x-role": NotRequired[Role],
        "x-symbol": NotRequired[str],
        "x-unit": NotRequired[str],
        "x-step": NotRequired[float],
        "x-log": NotRequired[bool],
        "x-typical": NotRequired[tuple[float, float]],
        "x-group": NotRequired[str],
        "x-options": NotRequired[Annotated[dict[str, str], Field(description="A label for each value.")]],
        "x-lines": NotRequired[int],
        "x-canvas": NotRequired[tuple[int, int]],
        "x-upload": NotRequired[bool],
        "x-data": NotRequired[Annotated[list[str], Field(description="Values that are data sets to fetch.")]],
        "x-recorded": NotRequired[
            Annotated[str, Field(description="It is the id of a recorded run of this experiment, or empty.")]
        ],
        "x-own": NotRequired[
            Annotated[
                Literal["text", "table", "images"],
                Field(description="It is the id of a file of this kind that a learner brought, or empty."),
            ]
        ],
        "x-column-of": NotRequired[
            Annotated[
                str, Field(description="It names a column of the table at this knob; empty: one that fits.")
            ]
        ],
        "x-pictures": NotRequired[
            Annotated[
                dict[str, list[tuple[float, float, float]]],
                Field(description="A picture for each value: points x, y and label, all within ±1."),
            ]
        ],
        "x-grid": NotRequired[
            Annotated[
                tuple[tuple[int, int], tuple[int, int]],
                Field(description="The fewest and the most rows, and columns, of a matrix of numbers."),
            ]
        ],
        "x-inputs": NotRequired[
            Annotated[
                dict[str, dict[str, tuple[int, int, int]]],
                Field(description="By another knob and its value: channels, height and width of the input."),
            ]
        ],
        "x-outputs": NotRequired[int],
        "x-when": NotRequired[
            Annotated[dict[str, list[Any]], Field(description="Values of others for which it matters.")]
        ],
    },
)
KnobSchema.__pydantic_config__ = EXACT  # type: ignore[attr-defined]


@with_config(EXACT)
class KnobsSchema(TypedDict):
    """The knobs' JSON Schema, its texts in the asked language."""

    title: str
    type: Literal["object"]
    additionalProperties: Literal[False]
    properties: dict[str, KnobSchema]


@with_config(EXACT)
class PanelOptions(TypedDict):
    """Options of a panel that its kind needs before the first frame."""

    series: NotRequired[dict[str, str]]
    log: NotRequired[bool]
    smoothing: NotRequired[float]
    legend: NotRequired[bool]
    filmstrip: NotRequired[bool]
    edits: NotRequired[Annotated[str, Field(description="The knob that is set in the picture.")]]
    selects: NotRequired[Annotated[str, Field(description="The knob of a marked stretch of the text.")]]
    holds: NotRequired[Annotated[list[str], Field(description="Knobs that lie in the panel.")]]
    shows: NotRequired[Annotated[str, Field(description="The panel that shows what is pointed at, large.")]]
    links: NotRequired[Annotated[str, Field(description="The panel whose rows are its tokens.")]]
    when: NotRequired[
        Annotated[
            dict[str, list[Any]], Field(description="Values of knobs for which it has something to show.")
        ]
    ]
    above: NotRequired[
        Annotated[dict[str, float], Field(description="Knobs that must be above a bound for it.")]
    ]


@with_config(EXACT)
class PanelSpec(TypedDict):
    """One picture, as the experiment declares it."""

    name: str
    kind: str
    title: str
    caption: str
    size: Size
    group: Annotated[str, Field(description="Empty for the experiment's own.")]
    options: PanelOptions


@with_config(EXACT)
class Preset(TypedDict):
    """Settings that make a point: `knobs` over the defaults, `watch` says what to look for."""

    id: str
    title: str
    watch: str
    knobs: KnobValues


@with_config(EXACT)
class StoryAnswer(TypedDict):
    """An answer to a question, right when all terms `when` hold as the step is done."""

    id: str
    say: str
    when: list[Term]


@with_config(EXACT)
class StoryStep(TypedDict):
    """What to do, see and understand; ticked off when all terms of `done` hold at once."""

    id: str
    do: str
    see: str
    why: str
    done: list[Term]
    act: Annotated[Act | None, Field(description="What the page does for a learner who asks to be shown.")]
    ask: Annotated[str, Field(description="A question put before; empty if there is none.")]
    answers: list[StoryAnswer]


@with_config(EXACT)
class End(TypedDict):
    """What to say once all terms of `done` hold: a run has come to an end."""

    say: str
    done: list[Term]
    next: Annotated[list[str], Field(description="Ids of presets and experiments to try.")]


@with_config(EXACT)
class Challenge(TypedDict):
    """A goal for one run: all terms of `done` at one moment, with all `rules` kept from the first step."""

    id: str
    title: str
    goal: str
    hint: str
    done: list[ScalarTerm]
    rules: list[Rule]
    within: Annotated[list[int], Field(description="Steps in which it earns one, two and three stars.")]
    start: Annotated[KnobValues, Field(description="Over the defaults, to begin with.")]


@with_config(EXACT)
class AnswerText(TypedDict):
    """An answer to choose."""

    id: str
    say: str


@with_config(EXACT)
class Question(TypedDict):
    """What will be the case in a run with these knobs after `until` steps? One of `answers`, the value of a
    scalar (`number`), or its `curve`; the run decides.
    """

    id: str
    ask: str
    knobs: Annotated[KnobValues, Field(description="Over the defaults.")]
    until: int
    answers: list[AnswerText]
    number: Asked | None
    curve: Asked | None


@with_config(EXACT)
class ExperimentSummary(TypedDict):
    """An experiment without its lesson, as in the list of all."""

    id: str
    chapter: str
    chapter_title: str
    chapter_about: str
    title: str
    summary: str
    invite: str
    after: Annotated[list[str], Field(description="Ids of experiments to understand before.")]
    own: Annotated[
        bool, Field(description="Whether it is a file of one's own, of which there is no picture.")
    ]
    minutes: Annotated[int, Field(description="How long its lesson and presets take a learner.")]
    level: Annotated[
        Level,
        Field(description="1: mathematics of school; 2: derivatives and vectors; 3: it reads a paper."),
    ]
    knobs: KnobsSchema
    panels: list[PanelSpec]
    presets: list[Preset]
    words: Annotated[dict[str, str], Field(description="What frames and reasons say in English, in words.")]
    pace: Annotated[float | None, Field(description="Steps per second to begin with; null: the fastest.")]
    groups: Annotated[dict[str, str], Field(description="What each group of panels is about, in HTML.")]
    stars: Annotated[int, Field(description="How many its challenges can earn.")]


@with_config(EXACT)
class ExperimentDescription(ExperimentSummary):
    """An experiment with its lesson, in HTML."""

    lesson: str
    challenges: list[Challenge]
    questions: list[Question]
    story: list[StoryStep]
    end: End | None
    schedules: Annotated[
        dict[str, list[Setting]], Field(description="The kinds of schedules that a knob can follow.")
    ]
