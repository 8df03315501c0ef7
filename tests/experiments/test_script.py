"""The script of a run trains its numbers again, without Descent."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_contract import every, loop_of, other_values, table, take

from descent.archive.script import Recipe, rules, text
from descent.contract.entry import Entry
from descent.errors import DescentError, NoScript
from descent.registry import experiments
from descent.runs.knobs import check

pytestmark = pytest.mark.contract

QUIET = 3  # steps before and after the changes of knobs
# Runs script.py of each folder it is told, in a process of its own that has PyTorch loaded already. Where
# PyTorch is installed Descent is, too: with None in its place, any import of it fails.
RUNNER = """
import os, runpy, sys, traceback
import sklearn.datasets, torch._dynamo

sys.modules["descent"] = None
for line in sys.stdin:
    process = os.fork()
    if not process:
        code = 1
        try:
            os.chdir(line.strip())
            sys.argv = ["script.py", "--out", "out.csv"]
            runpy.run_path("script.py", run_name="__main__")
            code = 2 * any(name.startswith("descent.") for name in sys.modules)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
Columns = dict[str, list[float]]


@pytest.fixture(scope="module")
def run_alone() -> Iterator[Callable[[str, Path], Columns]]:
    """Call it with a script and a folder: what it writes there, run without Descent or an environment."""
    command = [sys.executable, "-I", "-c", RUNNER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}
    ) as runner:
        assert runner.stdin is not None
        assert runner.stdout is not None

        def run(script: str, folder: Path) -> Columns:
            (folder / "script.py").write_text(script, encoding="utf-8")
            print(folder, file=runner.stdin, flush=True)
            assert runner.stdout.readline() == "0\n"
            with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            return {name: [float(row[name] or math.nan) for row in rows] for name in rows[0]}

        yield run


def trained(entry: Entry, seed: int) -> tuple[Recipe, Columns]:
    """A run in which every live knob that can be is changed: what its script has to say, and its scalars."""
    loop, said = loop_of(entry, seed=seed, max_steps=None)
    built_with = loop.knobs
    changes: list[tuple[int, dict[str, Any]]] = []
    take(loop, QUIET)
    for name, value in other_values(entry):
        before = loop.knobs
        try:
            check(entry, {name: value}, before=before.model_dump(mode="json"))
        except DescentError:  # it does not go together with the changes before
            continue
        assert loop._set_knobs({name: value}).knobs
        if getattr(before, name) != getattr(loop.knobs, name):
            changes.append((loop.step, {name: getattr(loop.knobs, name)}))
        take(loop, 1)
    take(loop, QUIET)
    loop._flush()
    assert changes
    scalars = table(said)
    return Recipe(entry, seed, built_with, changes, loop.step, [*scalars.keys() - {"step"}]), scalars


def assert_same(found: Columns, scalars: Columns) -> None:
    assert found.keys() == scalars.keys()
    for name, values in scalars.items():
        same = np.array_equal(np.float32(found[name]), np.float32(values), equal_nan=True)
        assert same, (name, found[name], values)


@every
def test_the_script_trains_the_same_numbers_without_descent(
    entry: Entry, run_alone: Callable[[str, Path], Columns], tmp_path: Path
) -> None:
    recipe, scalars = trained(entry, seed=3)
    found = run_alone(text(recipe), tmp_path)
    assert found["step"] == list(range(recipe.steps))
    assert_same(found, scalars)


FILES = {f"descent.kit.data.{name}" for name in ("own", "table", "columns")}


@every
def test_the_script_reads_well(entry: Entry) -> None:
    script = text(Recipe(entry, 0, entry.knobs_type(), [], 10, ["loss/train"]))
    assert not re.search(r"^\s*(import|from) (descent|pydantic)", script, re.MULTILINE)
    assert not re.search(r"\n{4}|^ *@p\.", script, re.MULTILINE)
    for word in ("presets", "invite", "caption=", "@dataclass\n", "type: ignore", "noqa", "fmt: o"):
        assert word not in script
    assert entry.title in script.partition("\n")[0]
    _, *parts = re.split(r"^# -{20} (.*)\n", script, flags=re.MULTILINE)
    files = sum(len(body) for name, body in zip(parts[::2], parts[1::2], strict=True) if name in FILES)
    assert len(script) - files < 41_000  # the longest has some 40,500
    assert files < 22_000  # what reads a learner's own file, table or text
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select=E9,F,W",
        "--line-length=110",
        "-",
    ]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_value_that_has_no_literal_is_refused() -> None:
    entry = experiments()["neural-playground"]
    knobs = entry.knobs_type().model_copy(update={"lr": math.inf})
    for recipe in (
        Recipe(entry, 0, knobs, [], 10, []),
        Recipe(entry, 0, entry.knobs_type(), [(1, {"lr": math.nan})], 10, []),
    ):
        with pytest.raises(NoScript, match="cannot tell this run's values"):
            text(recipe)


def test_a_run_whose_knobs_follow_schedules_trains_the_same_numbers(
    run_alone: Callable[[str, Path], Columns], tmp_path: Path
) -> None:
    entry = experiments()["neural-playground"]
    cosine = {"kind": "cosine", "steps": 20, "low": 0.001, "start": 2}
    warm = {"kind": "warmup", "steps": 9, "low": 1, "start": 5}
    loop, said = loop_of(entry, knobs={"optimizer": "adam"}, max_steps=None)
    built_with = loop.knobs
    told: list[tuple[int, Mapping[str, Any]]] = [
        (2, {"schedules": {"lr": cosine}}),
        (5, {"schedules": {"lr": cosine, "batch_size": warm}, "momentum": 0.5}),
        (11, {"lr": 0.02, "schedules": {"batch_size": warm}}),
    ]
    for step, values in told:
        take(loop, step - loop.step)
        assert loop._set_knobs(values).knobs
    take(loop, 9)
    loop._flush()
    scalars = {name: values for name, values in table(said).items() if not name.startswith("knob/")}
    changes = [(step, {**values, "schedules": rules(entry, values["schedules"])}) for step, values in told]
    recipe = Recipe(entry, 0, built_with, changes, loop.step, [*scalars.keys() - {"step"}])
    assert_same(run_alone(text(recipe), tmp_path), scalars)


def test_a_run_that_diverges_ends_at_the_same_step(
    run_alone: Callable[[str, Path], Columns], tmp_path: Path
) -> None:
    entry = experiments()["neural-playground"]
    knobs = {"lr": 10.0, "dataset": "plane", "activation": "linear"}
    loop, said = loop_of(entry, knobs=knobs, max_steps=1000)
    assert loop.run() == "diverged"
    scalars = table(said)
    recipe = Recipe(entry, 0, loop.knobs, [], 1000, [*scalars.keys() - {"step"}])
    assert_same(run_alone(text(recipe), tmp_path), scalars)


@pytest.mark.slow
def test_a_run_that_an_experiment_ends_is_ended_by_its_script(
    run_alone: Callable[[str, Path], Columns], tmp_path: Path
) -> None:
    """Asked for more steps than the run took."""
    entry = experiments()["regularisation"]
    loop, said = loop_of(entry, knobs=entry.cls.presets["impatient"].knobs, max_steps=2000)
    assert loop.run() == "finished"
    scalars = table(said)
    assert len(scalars["step"]) < 2000
    recipe = Recipe(entry, 0, loop.knobs, [], 2000, [*scalars.keys() - {"step"}])
    assert_same(run_alone(text(recipe), tmp_path), scalars)
