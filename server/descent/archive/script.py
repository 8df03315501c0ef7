"""A run as a script: one Python file that trains the same numbers without Descent.

The model, its data and the training step are cut from the experiment's own file and from what that imports of
Descent (`trained.py`, `flatten.py`), so the script cannot differ from what ran. Changes of knobs become a
list. What may come from outside gets in as a literal only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from descent.archive.bundle.lineage import fixed_apart, parent_of
from descent.archive.flatten import Flattened, Source
from descent.archive.trained import literal, sources
from descent.contract import STREAMS, Finished, Knobs
from descent.contract.entry import Entry
from descent.engine.knobs import KEY, apart
from descent.engine.schedules import range_of
from descent.errors import NoScript, UnknownRun
from descent.registry import Registry
from descent.runs.run import IMPORTED, environment, need_code
from descent.store.schema import RunRow
from descent.store.store import Store

ABOUT = """\
From Descent, which it does not need. On one CPU thread, with the versions in RUN, it takes the same steps,
bit for bit."""
WARNING = """\
# From a run that was imported: its values are those of whoever made the file it came in.
# As with any script from elsewhere, read it before you run it.
"""
MAIN = '''\
import argparse
import csv
import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from {module} import {experiment}, {knobs}
from descent.contract import Finished
from descent.kit.nn.schedules import followed

# What this was written from, and what trained that.
RUN = {run}
SEED = {seed}
STEPS = {steps}  # that the run took
# Live knobs as they were changed: the step they take effect at, and their new values.
CHANGES: list[tuple[int, dict[str, Any]]] = {changes}
SCALARS = {scalars}
FINITE = torch.finfo(torch.float32).max  # a scalar beyond has diverged


def run(steps: int, device: str, out: Path, data: Path | None = None) -> None:
    """Train, and write every step's scalars to a CSV file; an empty cell is one that was not measured."""
    torch.set_num_threads({cores})  # sums over several threads are rounded differently
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    knobs = {knobs}()
    experiment = {experiment}(SEED, torch.device(device))
    experiment.streams = {streams}
    experiment.data = (data,) if data else ()
    experiment.build(knobs)
    changes = list(CHANGES)
{before}    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["step", *SCALARS])
        table.writeheader()
        while experiment.step_index < steps:
{change}
{step}
            row = {{name: v.item() if isinstance(v, torch.Tensor) else v for name, v in found}}
            table.writerow({{"step": experiment.step_index, **row}})
            experiment.step_index += 1
            if not all(abs(value) <= FINITE for value in row.values()):
                print(f"diverged at step {{experiment.step_index - 1}}")
                break


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\\n")[0])
    parser.add_argument("--steps", type=int, default=STEPS, help="optimisation steps (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("scalars.csv"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, help="folder with data sets, where one is trained on")
    arguments = parser.parse_args()
    run(arguments.steps, arguments.device, arguments.out, arguments.data)


if __name__ == "__main__":
    main()
'''


STEP = "            found = experiment.step(knobs).items()"
STEP_OR_END = """\
            try:
                found = experiment.step(knobs).items()
            except Finished as reason:
                print(reason)
                break"""
CHANGE = """\
            while changes and changes[0][0] <= experiment.step_index:
                _, values = changes.pop(0)
                knobs = dataclasses.replace(knobs, **values)
                experiment.changed(knobs, set(values))"""
# Where schedules are among the changes: by knob the rule, and the knob's range.
FOLLOW = """\
            while changes and changes[0][0] <= experiment.step_index:
                _, values = changes.pop(0)
                schedules = values.pop("schedules", schedules)
                own = dataclasses.replace(own, **values)
            moved = {
                name: followed(rule, getattr(own, name), experiment.step_index, *limits)
                for name, (rule, limits) in schedules.items()
            }
            before, knobs = knobs, dataclasses.replace(own, **moved)
            names = {field.name for field in dataclasses.fields(own)}
            if differ := {name for name in names if getattr(before, name) != getattr(knobs, name)}:
                experiment.changed(knobs, differ)"""
BEFORE = "    own, schedules = knobs, {}  # a knob's own value is where its schedule starts from\n"


@dataclass(frozen=True)
class Recipe:
    """Everything needed to train a run again. `knobs`: those it began with; `changes`: the step at which new
    values of live knobs take effect, and these, `schedules` among them; `scalars`: names of those measured.
    `run`: its id, and versions of what trained it; `imported`: whether it, or an ancestor, was.
    """

    entry: Entry
    seed: int
    knobs: Knobs
    changes: Sequence[tuple[int, Mapping[str, Any]]]
    steps: int
    scalars: Sequence[str]
    run: Mapping[str, str] = field(default_factory=dict)
    imported: bool = False
    streams: int = STREAMS


def write(store: Store, run_id: str, registry: Registry) -> str:
    """The script of a recorded run.

    Raises `UnknownRun`, `NotRecorded` where a run it was branched from is missing, and `NoScript` where it
    cannot be written as one training.
    """
    return text(recipe(store, run_id, registry))


def recipe(store: Store, run_id: str, registry: Registry) -> Recipe:
    """The recipe of the run from its very beginning, that of its ancestors included. Raises as `write`."""
    row = store.run(run_id)
    if row is None:
        raise UnknownRun(f"there is no recorded run {run_id[:64]!r}", "run")
    entry = registry.find(row.experiment)
    need_code(entry, row)
    events = list(_knobs(store, row))
    root, imported = row, IMPORTED in row.environment
    while root.branched_at is not None:
        parent, at = parent_of(store, root), root.branched_at
        if names := fixed_apart(entry, parent, root):
            raise NoScript(
                f"{', '.join(names)} changed at step {at}, where the run was branched from {parent.id}: a "
                "script can change live knobs only. Begin a new run with them, or take the parent's script",
                "run",
                knobs=names,
                step=at,
                parent=parent.id,
            )
        events = [(step, values) for step, values in _knobs(store, parent) if step <= at] + events
        root, imported = parent, imported or IMPORTED in parent.environment
    if borrowed := [knob for knob in entry.knobs_type.lenders() if root.built_with.get(knob)]:
        raise NoScript(
            f"{borrowed[0]}: it begins from a recorded run, whose weights a script does not hold; export the "
            "run as a bundle, or take the script of one that learns its own source",
            "run",
            knobs=borrowed,
            reason="borrowed",
        )
    began, following = apart(row.built_with)
    before = knobs = entry.knobs_type.model_validate(began, strict=False)
    changes: list[tuple[int, Mapping[str, Any]]] = []
    if following:
        changes.append((0, {KEY: rules(entry, following)}))
    for step, event in events:
        values, told = apart(event)
        after = entry.knobs_type.model_validate({**before.model_dump(), **values}, strict=False)
        new = {n: getattr(after, n) for n in values if getattr(before, n) != getattr(after, n)}
        if told is not None:
            new[KEY] = rules(entry, told)
        if new:
            changes.append((step, new))
        before = after
    shown = [name for panel in entry.panels.values() for name in panel.options.get("series", {})]
    return Recipe(
        entry,
        row.seed,
        knobs,
        changes,
        steps=max(store.last_step(row.id) + 1, row.branched_at or 0),
        scalars=list(dict.fromkeys([*shown, *row.latest])),
        run={"id": row.id, "device": row.device, **_versions(row)},
        imported=imported,
        streams=row.streams,
    )


def rules(entry: Entry, told: Mapping[str, Any]) -> dict[str, Any]:
    """Schedules as a script follows them. A plateau's effects are among the changes already."""
    return {
        name: (
            {setting: value for setting, value in schedule.items() if setting != "watch"},
            range_of(entry.knobs_type, name),
        )
        for name, schedule in told.items()
        if schedule["kind"] != "plateau"
    }


def _knobs(store: Store, row: RunRow) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The changes made in a run, with their steps."""
    for message in store.messages(row.id, "knobs"):
        event = json.loads(message.data)
        yield event["step"], event["knobs"]


def _versions(row: RunRow) -> dict[str, str]:
    """Versions of what trained it, under names this Descent knows: an imported run may bring any text."""
    return {name: row.environment[name] for name in environment() if name in row.environment}


def text(recipe: Recipe) -> str:
    """The script. Raises `NoScript` where the code cannot do without Descent, or a value has no literal."""
    cls, knobs = recipe.entry.cls, recipe.knobs
    follows = any(KEY in values for _, values in recipe.changes)
    try:
        source_of = sources(cls, knobs, recipe.entry.code.beside if recipe.entry.code else None)
        own = source_of(cls.__module__)
        assert own is not None
        said, own.about = own.about or recipe.entry.title, ""
        flat = Flattened(source_of)
        flat.take_name(own, cls.__name__)
        main = MAIN.format(
            module=own.module,
            experiment=cls.__name__,
            knobs=type(knobs).__name__,
            run=literal(dict(recipe.run)),
            seed=literal(recipe.seed),
            cores=literal(cls.cores),
            streams=literal(recipe.streams),
            steps=literal(recipe.steps),
            changes=literal([(step, dict(values)) for step, values in recipe.changes]),
            scalars=literal(list(recipe.scalars)),
            before=BEFORE if follows else "",
            step=STEP_OR_END if Finished.__name__ in flat.origins else STEP,
            change=FOLLOW if follows else CHANGE,
        )
        run = Source("the run", main)
        for part in run.parts:
            flat.take(run, part)
    except (ValueError, SyntaxError) as error:
        raise NoScript(f"a script cannot tell this run's values: {error}", "run") from error
    quotes = 'r"""' if "\\" in said else '"""'
    warning = WARNING if recipe.imported else ""
    return f'{warning}{quotes}{said}\n\n{ABOUT}\n"""\n\n{flat.text()}\n'
