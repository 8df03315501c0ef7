"""Each experiment's story, played through: its steps can be done, and are not ticked off before they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

import pytest
from watched import Watched

from descent.contract import Finished
from descent.contract.entry import Entry
from descent.lessons import LANGUAGES
from descent.registry import experiments
from descent.stories import Act, GestureTerm, Seen, Step, holds
from driving import built, take

pytestmark = pytest.mark.slow

LONGEST_DO, LONGEST_WHY = 110, 230  # letters, that fit beside the panels; `see` and `why` together
IDLE = 1.0  # seconds of training before the learner does what a step asks for
PATIENCE = 20.0  # seconds in which it must come about
LOOKS = 0.25  # seconds between two looks at whether it has


class Learner:
    """Plays a story as the page does: `began` is what its present step of the story is held against."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.presets = {id: preset.knobs for id, preset in entry.cls.presets.items()}
        self.begin({})

    def begin(self, knobs: Mapping[str, Any]) -> None:
        """A new run."""
        self.run = Watched(self.entry.cls, 0, **knobs)
        self.finished = False
        self.turn_page()

    def turn_page(self) -> None:
        """The next step of the story begins."""
        self.gestures: set[str] = set()
        self.told = len(self.run.found)
        self.first = self.run.experiment.step_index
        self.began = self.scalars

    @property
    def scalars(self) -> dict[str, float]:
        """The last finite value of each."""
        return {n: v for row in self.run.rows for n, v in row.items() if isfinite(v)}

    def seen(self) -> Seen:
        now = self.scalars
        self.began = {**now, **self.began}
        return Seen(
            knobs=self.run.knobs.model_dump(),
            scalars=now,
            status="finished" if self.finished else "diverged" if self.run.over else "running",
            steps=self.run.experiment.step_index - self.first,
            began=self.began,
            findings=self.run.codes[self.told :],
            gestures=self.gestures,
        )

    def wait(self, seconds: float) -> None:
        if not (self.run.over or self.finished):
            try:
                self.run.live(seconds)
            except Finished:
                self.finished = True

    def act(self, step: Step) -> None:
        """What the step asks for."""
        for term in step.done:
            if isinstance(term, GestureTerm):
                self.gestures.add(f"{term.gesture}:{term.panel}" if term.panel else term.gesture)
                if term.gesture == "branch":
                    self.branch()
        if step.act and step.act.preset:
            self.begin(self.presets[step.act.preset])
        elif step.act:
            self.set(step.act)

    def set(self, act: Act) -> None:
        schema = self.run.knobs.model_json_schema()["properties"]
        if all(schema[name]["x-live"] for name in act.knobs):
            assert not self.run.over, "a run that is over takes no knobs"
            self.run.turn(**act.knobs)
            self.first = self.run.experiment.step_index
        else:
            self.begin({**self.run.knobs.model_dump(), **act.knobs})

    def branch(self) -> None:
        """Go on from where the last finding that names a place says."""
        found = next(one for _, one in reversed(self.run.found) if "back" in one.params)
        gestures, self.run = self.gestures, self.run.gone_back(found)
        self.turn_page()
        self.gestures = gestures


def play(entry: Entry) -> None:
    learner = Learner(entry)
    for id, step in entry.story.items():
        waits = step.act is None and not any(isinstance(term, GestureTerm) for term in step.done)
        assert not holds(step.done, learner.seen(), learner.presets), f"{id}: ticked off before it began"
        if not waits:
            learner.wait(IDLE)
            assert not holds(step.done, learner.seen(), learner.presets), f"{id}: ticked off by waiting"
            learner.act(step)
        until = learner.run.seconds + PATIENCE
        while not holds(step.done, learner.seen(), learner.presets):
            gone = learner.run.seconds >= until or learner.run.over or learner.finished
            assert not gone, f"{id}: not done: {learner.seen()}"
            learner.wait(LOOKS)
        right = [
            name
            for name, answer in step.answers.items()
            if holds(answer.when, learner.seen(), learner.presets)
        ]
        assert len(right) == bool(step.ask), f"{id}: right are {right}, at {learner.seen().scalars}"
        learner.turn_page()


@pytest.mark.parametrize("id", [id for id, entry in experiments().items() if entry.story])
def test_a_story_can_be_played_through(id: str) -> None:
    play(experiments()[id])


TRIED = 2100  # steps in which a run comes to its end
SOONER = {"regularisation": {"stop_early": True}}  # knobs without which it has none


@pytest.mark.parametrize("id", [id for id, entry in experiments().items() if entry.end])
def test_a_run_comes_to_the_end_that_it_tells_of(id: str) -> None:
    entry = experiments()[id]
    assert entry.end is not None
    run, knobs = built(entry.cls, **SOONER.get(id, {}))
    seen = Seen(knobs.model_dump(), {})
    assert not holds(entry.end.done, seen, {})
    while not holds(entry.end.done, seen, {}):
        assert seen.steps < TRIED, seen.scalars
        try:
            (row,) = take(run, knobs, 1)
        except Finished:
            row, seen.status = {}, "finished"
        seen.scalars = {**seen.scalars, **row}
        seen.steps += 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_story_says_is_short(language: str) -> None:
    for id, entry in experiments().items():
        for step, texts in entry.lessons[language].words.get("story", {}).items():
            assert len(texts["do"]) <= LONGEST_DO, (id, step)
            assert len(texts["see"]) + len(texts["why"]) <= LONGEST_WHY, (id, step)


QUOTED = re.compile("“(.+?)”|‘(.+?)’")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_story_points_at_is_called_by_its_title(language: str) -> None:
    for id, entry in experiments().items():
        words = entry.lessons[language].words
        for step, what in entry.story.items():
            do = words["story"][step]["do"]
            quoted = {one or other for one, other in QUOTED.findall(do)}
            for term in what.done:
                if isinstance(term, GestureTerm) and term.panel and quoted:
                    said = words.get("panels", {}).get(term.panel, {}).get("title")
                    assert (said or entry.panels[term.panel].title) in quoted, (id, step, do)
