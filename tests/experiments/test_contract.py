"""What every experiment must keep, tried on all there are."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.optim import Optimizer

import driving
import stub_device
from descent import wire
from descent.contract import Transient
from descent.contract.entry import Entry
from descent.contract.panels import Picture
from descent.engine import looking
from descent.engine.checkpoint import Checkpointer
from descent.engine.loop import Loop
from descent.engine.messages import CheckpointTaken, Output, Refused, Replay, RunSpec, ScalarsFrame
from descent.errors import DescentError
from descent.registry import experiments
from descent.runs.knobs import check
from descent.web.experiments import describe
from descent.web.frames import arrays_of, meta_of
from tiny import EagerBudget, Said, Script

pytestmark = pytest.mark.contract

DEVICE = os.environ.get("DESCENT_TEST_DEVICE", "cpu")  # "cuda" where there is one: bench/on_gpu.sh; "stub"
if DEVICE == "stub":
    stub_device.install()
SEEDLESS = {"descent-2d"}  # nothing in it is left to chance
STEPS = 6
MAY_HOLD_NAN = {("contour", "paths"), ("contour", "heights"), ("bars", "values")}  # no point yet, no bar
MAY_HOLD_NAN |= {
    ("lines", "values"),
    ("lines", "low"),
    ("lines", "high"),
}  # what has no place on a logarithmic axis, a network of fewer layers
MAY_HOLD_NAN |= {("heatmap", "values")}  # a score of −∞, a cell without a number
MAY_HOLD_NAN |= {("tokens", "values"), ("traces", "values"), ("ranking", "values"), ("ranking", "baseline")}
FORBIDDEN = {
    "asyncio",
    "fastapi",
    "multiprocessing",
    "socket",
    "starlette",
    "threading",
    "uvicorn",
    "websockets",
}
HEAVY = {"sklearn", "scipy", "pandas", "matplotlib", "optuna"}
LARGEST_FRAME = 1 << 20  # bytes
LONGEST_READING = 100  # letters


@pytest.fixture(autouse=True)
def _fits(request: pytest.FixtureRequest) -> None:
    """What the stub device cannot train is passed over; test_stub_device.py holds which those are."""
    entry = getattr(request.node, "callspec", None) and request.node.callspec.params.get("entry")
    if DEVICE == "stub" and entry and entry.id in {*stub_device.NEED_FLOAT64, *stub_device.UNFIT}:
        pytest.skip("the stub cannot train it")


every = pytest.mark.parametrize("entry", experiments().values(), ids=list(experiments()))


def loop_of(
    entry: Entry,
    *,
    inbox: Script | None = None,
    hear: Callable[[Output], None] = lambda output: None,
    **spec: Any,
) -> tuple[Loop, Said]:
    said = Said()

    def emit(output: Output) -> None:
        said.append(output)
        hear(output)

    knobs = check(entry, spec.pop("knobs", {}))
    run_spec = RunSpec("run", entry.id, knobs, device=DEVICE, **{"seed": 0, "max_steps": STEPS, **spec})
    return Loop(entry, run_spec, Script() if inbox is None else inbox, emit), said


def take(loop: Loop, steps: int) -> None:
    for _ in range(steps):
        loop._train(1)


def finished(entry: Entry, **spec: Any) -> tuple[Loop, Said]:
    loop, said = loop_of(entry, **spec)
    assert loop.run() == "finished", said.events("state")[-1]["reason"]
    return loop, said


def table(said: Said) -> dict[str, list[float]]:
    frames = [wire.decode(output.payload) for output in said if isinstance(output, ScalarsFrame)]
    names = sorted({name for frame in frames for name in frame.arrays})
    return {
        name: [
            v
            for frame in frames
            for v in frame.arrays.get(name, np.full(len(frame.arrays["step"]), np.nan)).tolist()
        ]
        for name in names
    }


def frozen(value: Any, above: tuple[int, ...] = ()) -> Any:
    """All there is in `value`, gradients, modes and optimizer states included, as plain comparable data."""
    if id(value) in above:
        return "above"
    above = (*above, id(value))
    match value:
        case torch.Tensor():
            array = value.detach().contiguous().cpu().numpy()
            return ("tensor", array.dtype.str, array.shape, array.tobytes(), frozen(value.grad, above))
        case np.ndarray():
            return ("array", value.dtype.str, value.shape, value.tobytes())
        case torch.Generator():
            return frozen(value.get_state())
        case Optimizer():
            return frozen(value.state_dict(), above)
        case Mapping():
            return [(str(key), frozen(item, above)) for key, item in value.items()]
        case list() | tuple() | set() | frozenset():
            return [frozen(item, above) for item in value]
        case bool() | int() | float() | str() | bytes() | None:
            return repr(value)
        case Transient():
            return type(value).__name__
        case _ if (hasattr(value, "__dict__") and not callable(value)) or isinstance(value, nn.Module):
            return (type(value).__name__, frozen(vars(value), above))
        case _:
            return type(value).__name__


def chance() -> list[Any]:
    """The state of all global random numbers."""
    return [random.getstate(), frozen(np.random.get_state()), frozen(torch.get_rng_state())]


def optimizers_in(value: Any) -> Iterator[Optimizer]:
    if isinstance(value, Optimizer):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from optimizers_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from optimizers_in(item)


# Knobs


@every
def test_knobs_serialise_and_come_back_the_same(entry: Entry) -> None:
    defaults = check(entry, {})
    assert check(entry, json.loads(json.dumps(defaults))) == defaults


@every
def test_the_schema_tells_the_page_all_it_needs(entry: Entry) -> None:
    knobs = json.loads(json.dumps(describe(entry, "en")["knobs"]["properties"]))
    for name, knob in knobs.items():
        assert isinstance(knob["x-live"], bool), name
        assert knob["title"], name
        assert knob["description"].endswith("."), name
        assert "default" in knob, name
        low, high = knob.get("minimum"), knob.get("maximum")
        if knob.get("type") in ("number", "integer") and "enum" not in knob:
            assert low is not None, f"{name} has no lower end for its slider"
            assert high is not None, f"{name} has no upper end for its slider"
            assert low <= knob["default"] <= high
        if knob.get("x-log"):
            assert low > 0, f"a logarithmic slider cannot reach {low}"
        if "x-typical" in knob:
            assert low <= knob["x-typical"][0] < knob["x-typical"][1] <= high, name
        if "enum" in knob and "x-options" in knob:
            assert set(knob["x-options"]) == set(map(str, knob["enum"])), name
        for other, values in knob.get("x-when", {}).items():
            for value in values:
                check(entry, {other: value})


@every
def test_presets_are_valid_and_each_makes_a_difference(entry: Entry) -> None:
    for preset in entry.cls.presets.values():
        assert check(entry, preset.knobs) != check(entry, {}), preset.title
    for preset in describe(entry, "en")["presets"]:
        assert preset["watch"]


@every
def test_learning_rates_and_they_alone_are_declared_as_such(entry: Entry) -> None:
    named = {name for name in entry.knobs_type.model_fields if re.match("lr(_|$)", name)}
    assert entry.knobs_type.rates() == named
    properties = describe(entry, "en")["knobs"]["properties"]
    assert {name for name, knob in properties.items() if knob.get("x-role") == "rate"} == named


# Panels


def assert_shows(picture: Picture, name: str, entry: Entry) -> None:
    assert picture.kind == entry.panels[name].kind
    data = wire.encode_picture("run", 1, 2, name, picture)
    assert len(data) <= LARGEST_FRAME, f"{name}: {len(data)} bytes"
    frame = wire.decode(data)
    assert (frame.panel, frame.kind, frame.seq, frame.step) == (name, picture.kind, 1, 2)
    assert set(frame.arrays) == set(arrays_of(type(picture)))
    TypeAdapter(meta_of(type(picture))).validate_json(
        json.dumps(frame.meta), strict=True
    )  # as the page believes
    for field, array in frame.arrays.items():
        assert array.dtype in (np.float32, np.int32, np.uint8), f"{name}.{field}"
        assert not np.isinf(array).any(), f"{name}.{field}"
        assert (picture.kind, field) in MAY_HOLD_NAN or not np.isnan(array).any(), f"{name}.{field}"
        sent = wire.to_numpy(getattr(picture, field))
        assert np.array_equal(array, sent, equal_nan=array.dtype == np.float32), f"{name}.{field}"
    if picture.reading:
        text, values = picture.reading
        assert len(text.format(**values)) <= LONGEST_READING, f"{name}: {text}"
        assert entry.panels[name].group or text in entry.lessons["ko"].words["words"], f"{name}: {text}"


def own_probes_of(entry: Entry) -> list[str]:
    return [name for name, panel in entry.panels.items() if panel.kind != "scalars" and not panel.group]


def probes_of(entry: Entry) -> list[str]:
    """The experiment's own, and those that every experiment with objectives has."""
    return [name for name, panel in entry.panels.items() if panel.kind != "scalars"]


@every
def test_a_network_of_no_numbers_breaks_no_panel_and_no_sentence(entry: Entry) -> None:
    experiment, knobs = driving.built(entry.cls)
    driving.take(experiment, knobs, 2)
    driving.break_weights(experiment)
    for name in own_probes_of(entry):
        reading = driving.look(experiment, knobs, name).reading
        said = reading.text.format(**reading.values) if reading else ""
        assert not re.search(r"\b(nan|inf)\b|–", said), f"{name}: {said}"


@every
@pytest.mark.parametrize("steps", [0, 3])
def test_every_panel_has_a_valid_picture_before_and_after_training(entry: Entry, steps: int) -> None:
    for preset in [{}, *(preset.knobs for preset in entry.cls.presets.values())]:
        loop, _ = loop_of(entry, knobs=dict(preset))
        take(loop, steps)
        for name in own_probes_of(entry) if preset else probes_of(entry):
            assert_shows(loop.picture(name), name, entry)


@every
def test_every_scalar_is_shown(entry: Entry) -> None:
    shown = {name for panel in entry.panels.values() for name in panel.options.get("series", {})}
    loop, _ = loop_of(entry)
    epoch = loop.experiment.steps_per_epoch(loop.knobs) or 1
    _, said = finished(entry, max_steps=int(min(epoch, 60)) + 1)
    measured = set(table(said)) - {"step"}
    assert measured
    assert measured <= shown, f"no panel shows {measured - shown}"


# Training


@every
def test_the_same_seed_gives_the_same_numbers(entry: Entry) -> None:
    first, first_said = finished(entry, seed=3)
    second, second_said = finished(entry, seed=3)
    assert repr(table(first_said)) == repr(table(second_said))
    assert frozen(first.experiment) == frozen(second.experiment)


@every
def test_another_seed_gives_other_numbers(entry: Entry) -> None:
    same = repr(table(finished(entry, seed=3)[1])) == repr(table(finished(entry, seed=4)[1]))
    assert same == (entry.id in SEEDLESS)


@every
def test_watching_changes_nothing_bit_for_bit(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 4  # at each of them every panel is drawn, which for some takes a second
    plain, plain_said = finished(entry, max_steps=steps)
    plain_chance = chance()
    monkeypatch.setattr(looking, "Budget", EagerBudget)
    watched, watched_said = finished(entry, max_steps=steps, watch=tuple(entry.panels))
    for panel in probes_of(entry):
        after_the_last = entry.panels[panel].group == ""  # the others show the coming step
        assert len(watched_said.pictures(panel)) == steps + after_the_last, panel
    # A racer may be out at once, as large first weights are; no panel may fail.
    assert {found["code"] for found in watched_said.events("diagnosis")} <= {"out"}
    assert repr(table(watched_said)) == repr(table(plain_said))
    assert frozen(watched.experiment) == frozen(plain.experiment)
    assert chance() == plain_chance


@every
def test_pausing_changes_nothing(entry: Entry) -> None:
    _, plain = finished(entry)
    script = Script()
    script.tell("step", steps=2)

    def go_on(output: Output) -> None:
        if isinstance(output, ScalarsFrame) and output.step == 1:
            script.tell("knobs", knobs={})
            script.tell("watch", panels=probes_of(entry), max_fps=30)
            script.tell("resume")

    loop, said = loop_of(entry, inbox=script, hear=go_on, paused=True)
    assert loop.run() == "finished"
    assert repr(table(said)) == repr(table(plain))


@every
def test_looking_changes_nothing_bit_for_bit(entry: Entry) -> None:
    looks: dict[str, Any] = {}
    for name, value in other_values(entry, looks):
        if name in entry.knobs_type.looks():
            looks[name] = value
    plain, plain_said = finished(entry)
    loop, said = loop_of(entry)
    for step, (name, value) in enumerate(looks.items()):
        take(loop, step == 1)
        assert loop._set_knobs({name: value}).changed == {name: value}
    take(loop, 2)
    assert loop._set_knobs(looks).changed == looks
    assert loop.run() == "finished"
    assert said.events("knobs") == []
    assert len(said.events("look")) == len(looks) + bool(looks)
    assert repr(table(said)) == repr(table(plain_said))
    assert frozen(loop.experiment) == frozen(plain.experiment)


def other_values(entry: Entry, beside: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Any]]:
    """For each live knob another valid value; with `beside`, one that goes with what is in it by then."""
    for name, knob in entry.knobs_type.model_json_schema()["properties"].items():
        if not knob["x-live"]:
            continue
        default = knob["default"]
        match knob:
            case {"enum": options}:
                candidates = options
            case {"type": "boolean"}:
                candidates = [not default]
            case {"type": "integer"}:
                candidates = [default + 1, default - 1]
            case {"type": "number", "x-log": True}:
                candidates = [default / 2, default * 2]
            case {"type": "number", "minimum": low, "maximum": high}:
                candidates = [default + (high - default) / 4, default - (default - low) / 4]
            case {"x-grid": _}:
                candidates = [[[2 * number for number in row] for row in default]]
            case {"type": "array", "prefixItems": items}:  # another first element, or last
                whole = items[0]["type"] == "integer"
                others = [[default[0] + 1, *default[1:]], [*default[:-1], default[-1] + 1]]
                candidates = others if whole else [[0.5, 0.5]]
            case {"type": "array", "items": {"enum": [first, *_]}}:
                candidates = [default[:1], [first]]
            case {"type": "array"}:
                candidates = [[], [[0.5, 0.5, 1.0]], [[0.5, 0.5]], [0.5, 0.5], default[:1]]
            case {"x-canvas": [rows, columns]}:  # a block of ink in the middle
                inked = [i // columns in range(rows // 4, rows * 3 // 4) for i in range(rows * columns)]
                candidates = ["".join("f" if ink else "0" for ink in inked)]
            case {"type": "string"}:
                presets = [
                    preset.knobs[name] for preset in entry.cls.presets.values() if name in preset.knobs
                ]
                candidates = [*presets, default[:-1]]
            case _:
                candidates = []
        for value in candidates:
            try:
                fits = check(entry, {**(beside or {}), name: value})[name] != default
            except DescentError:
                fits = False
            if fits:
                yield name, value
                break
        else:
            pytest.fail(f"no other value of {name} was found")


@every
def test_every_live_knob_takes_effect_without_a_restart(entry: Entry) -> None:
    for name, value in other_values(entry):
        script = Script()
        loop, said = loop_of(entry, inbox=script)
        experiment = loop.experiment
        take(loop, 2)
        script.tell("knobs", reply_to=1, knobs={name: value})
        assert loop.run() == "finished", (name, value, said.events("state")[-1])
        assert not isinstance(said.replies[1].answer, Refused), (name, value)
        (event,) = said.events("look" if name in entry.knobs_type.looks() else "knobs")
        assert event["step"] == 2
        assert loop.experiment is experiment
        assert said.steps == list(range(STEPS))
        found = {event["code"] for event in said.events("diagnosis")}
        assert found <= {"out"}, (name, value, found)  # what a knob starts may be out at once
        for panel in own_probes_of(entry):
            assert said.pictures(panel), (name, value, panel)


@every
def test_a_learning_rate_is_changed_without_touching_the_optimizers_state(entry: Entry) -> None:
    rates = [(name, value) for name, value in other_values(entry) if name in entry.knobs_type.rates()]
    assert rates or not [*optimizers_in(vars(loop_of(entry)[0].experiment))], "there is no live learning rate"
    for name, value in rates:
        loop, _ = loop_of(entry)
        take(loop, 3)
        optimizers = list(optimizers_in(vars(loop.experiment)))
        assert optimizers
        before = [frozen(optimizer.state_dict()["state"]) for optimizer in optimizers]
        loop._set_knobs({name: value})
        assert [
            frozen(optimizer.state_dict()["state"]) for optimizer in optimizers_in(vars(loop.experiment))
        ] == before
        take(loop, 1)


# The file and its lessons


def source_of(entry: Entry) -> Path:
    return Path(str(sys.modules[entry.cls.__module__].__file__))


@every
def test_it_knows_neither_the_web_nor_processes(entry: Entry) -> None:
    tree = ast.parse(source_of(entry).read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {name.partition(".")[0] for name in names} & FORBIDDEN


def test_importing_them_is_light() -> None:
    modules = [entry.cls.__module__ for entry in experiments().values()]
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
    if heavy := [*filter(sys.modules.get, {sorted(HEAVY)})]:
        sys.exit(f"{{module}} imports {{heavy}}")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@every
@pytest.mark.parametrize("language", ["en", "ko"])
def test_its_lesson_says_something(entry: Entry, language: str) -> None:
    html = entry.lessons[language].html
    text = re.sub("<[^>]+>", " ", html)
    assert len(text.split()) >= 200
    assert "<h2>" in html
    assert "math" in html
    assert ("의" in text) == (language == "ko")


@every
@pytest.mark.parametrize("language", ["en", "ko"])
def test_values_its_lesson_quotes_exist(entry: Entry, language: str) -> None:
    series = {name for panel in entry.panels.values() for name in panel.options.get("series", {})}
    quoted = set(re.findall(r"\{\{\s*([^{}]+?)\s*\}\}", entry.lessons[language].html))
    assert quoted <= set(entry.knobs_type.model_fields) | series


SAYING = {
    "KnobError": 1,
    "Note": 0,
    "Finished": 0,
    "says": 1,
    "p.says": 1,
}  # where among its arguments each has the message


def messages_in(tree: ast.AST) -> Iterator[str]:
    """What each `KnobError`, `Note`, `Finished`, `says` says; fails where it is put together at run time."""
    given: dict[str, list[ast.expr]] = {}  # a name may hold another message in each method
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in SAYING:
            texts = [node.args[SAYING[called]]]
            for _ in range(3):  # conditional expressions of names of conditional expressions
                texts = [part for text in texts for part in parts_of(text, given)]
            for text in texts:
                assert isinstance(text, ast.Constant), f"line {node.lineno}: the message is no fixed text"
                yield text.value


def parts_of(text: ast.expr, given: Mapping[str, list[ast.expr]]) -> list[ast.expr]:
    if isinstance(text, ast.IfExp):
        return [text.body, text.orelse]
    return given.get(text.id, [text]) if isinstance(text, ast.Name) else [text]


@every
def test_what_it_says_of_bad_knobs_is_translated(entry: Entry) -> None:
    messages = set(messages_in(ast.parse(source_of(entry).read_text(encoding="utf-8"))))
    words = entry.lessons["ko"].words.get("words", {})
    assert messages <= set(words)
    for message in messages:
        assert set(re.findall(r"\{\w+\}", message)) == set(re.findall(r"\{\w+\}", words[message]))


# Checkpoints


def without_gradients(loop: Loop) -> Any:
    """All there is in the experiment but gradients, which a step makes anew."""
    for parameter in parameters_in(vars(loop.experiment)):
        parameter.grad = None
    return frozen(vars(loop.experiment)), frozen(loop.knobs.model_dump()), chance()


def parameters_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from parameters_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from parameters_in(item)


@every
def test_a_checkpoint_is_continued_bit_for_bit(entry: Entry) -> None:
    changes = [{name: value} for name, value in other_values(entry)]
    for change in [{}, *changes]:
        original, said = loop_of(entry, max_steps=None)
        checkpointer = Checkpointer(original.experiment)
        take(original, 3)
        if change:
            original._set_knobs(change)
        take(original, 2)
        kept = checkpointer.take()
        original._flush()
        said.clear()
        take(original, 4)
        original._flush()
        expected = table(said)

        again, said = loop_of(entry, max_steps=None)
        checkpointer = Checkpointer(again.experiment)
        if change:
            again._set_knobs(change)
        checkpointer.put_back(kept)
        assert again.step == 5
        said.clear()
        take(again, 4)
        again._flush()
        np.testing.assert_equal(table(said), expected)  # NaN where nothing was measured
        assert without_gradients(again) == without_gradients(original)


@every
@pytest.mark.parametrize("checkpoint", [True, False], ids=["from a checkpoint", "from the beginning"])
def test_a_run_gone_back_to_continues_bit_for_bit(entry: Entry, checkpoint: bool) -> None:
    looks = entry.knobs_type.looks()
    changes = [{name: value} for name, value in other_values(entry) if name not in looks]
    for first, second in zip_longest(changes[::2], changes[1::2], fillvalue=changes[0]):
        original, said = loop_of(entry, max_steps=None, record_budget=0.01)
        take(original, 2)
        original._set_knobs(first)
        take(original, 2)
        original._keep()
        take(original, 1)
        original._set_knobs(second)
        take(original, 2)
        original._flush()
        (kept,) = (output for output in said if isinstance(output, CheckpointTaken))
        made = [(event["step"], event["knobs"]) for event in said.events("knobs")]
        if checkpoint:
            later = [(step, knobs) for step, knobs in made if step > kept.step]
            replay = Replay(original.step, live_of(entry, kept.knobs), kept.step, kept.payload, later)
        else:
            replay = Replay(original.step, {}, changes=made)
        said.clear()
        take(original, 3)
        original._flush()

        again, said_again = loop_of(entry, max_steps=None, replay=replay)
        assert again.step == replay.until
        take(again, 3)
        again._flush()
        assert repr(table(said_again)) == repr(table(said)), (first, second)
        assert without_gradients(again) == without_gradients(original)


def live_of(entry: Entry, knobs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in knobs.items() if entry.knobs_type.is_live(name)}
