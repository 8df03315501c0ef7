"""A run as a script: one Python file that trains the same numbers without Descent.

The model, its data and the training step are cut from the experiment's own file and from what that imports of
Descent, so the script cannot differ from what ran. Panels and the probes behind them, presets and
invitations go, and so do the knobs' ranges and texts: they become a dataclass whose defaults are those a run
was built with. Changes of knobs become a list. What may come from outside gets in as a literal only.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from descent.archive.bundle.lineage import fixed_apart, parent_of
from descent.archive.flatten import Flattened, Import, Source, bound, imports_of
from descent.contract import STREAMS, Experiment, Finished, Knobs
from descent.contract.entry import Entry
from descent.engine.knobs import KEY, apart
from descent.engine.schedules import range_of
from descent.errors import NoScript, UnknownRun
from descent.registry import Registry
from descent.runs.run import IMPORTED, environment
from descent.store.schema import RunRow
from descent.store.store import Store

WIDTH = 110
LONG = 60  # letters, beyond which a value takes several lines
TITLES = {"sklearn": "scikit-learn", "optuna": "Optuna"}  # of libraries that are imported by another name
ABOUT = (
    "From Descent. It needs PyTorch, NumPy{others} and no Descent. On one CPU thread, with the versions in "
    "RUN, it takes the same steps bit for bit."
)
WARNING = (
    "# From a run that was imported: its values are those of whoever made the file it came in.\n"
    "# As with any script from elsewhere, read it before you run it.\n"
)
FOR_TOOLS = re.compile(r"[ \t]*# (?:type: ignore|noqa|fmt: o).*")  # comments that no reader needs
BEGINNINGS = ("__init__", "build", "step", "changed")  # what MAIN calls of an experiment
KNOBS = '''\
class Knobs:
    """What the learner sets. The values are those the run began with."""'''
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
    torch.set_num_threads(1)  # sums over several threads are rounded differently
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    knobs = {knobs}()
    experiment = {experiment}(SEED, torch.device(device))
    experiment.streams = {streams}
    experiment.data = data
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
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("scalars.csv"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, help="folder with MNIST's files, where they are trained on")
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
    cls, module = recipe.entry.cls, recipe.entry.cls.__module__
    source_of = sources(cls, recipe.knobs)
    flat = Flattened(source_of)
    own = source_of(module)
    assert own is not None
    said, own.about = own.about or recipe.entry.title, ""
    follows = any(KEY in values for _, values in recipe.changes)
    try:
        flat.take_name(own, cls.__name__)
        main = MAIN.format(
            module=module,
            experiment=cls.__name__,
            knobs=type(recipe.knobs).__name__,
            run=literal(dict(recipe.run)),
            seed=literal(recipe.seed),
            streams=literal(recipe.streams),
            steps=literal(recipe.steps),
            changes=literal([(step, dict(values)) for step, values in recipe.changes]),
            scalars=literal(list(recipe.scalars)),
            before=BEFORE if follows else "",
            step=STEP_OR_END if flat.defines(Finished.__module__, Finished.__name__) else STEP,
            change=FOLLOW if follows else CHANGE,
        )
        flat.take_all(Source("the run", main))
    except (ValueError, SyntaxError) as error:
        raise NoScript(f"a script cannot tell this run's values: {error}", "run") from error
    body = flat.text()
    libraries = {
        one.module.partition(".")[0] for node in ast.walk(ast.parse(body)) for one in imports_of(node)
    }
    others = sorted(libraries - sys.stdlib_module_names - {"numpy", "torch"})
    about = ABOUT.format(others="".join(f", {TITLES.get(name, name)}" for name in others))
    quotes = 'r"""' if "\\" in said else '"""'
    warning = WARNING if recipe.imported else ""
    return f'{warning}{quotes}{said}\n\n{textwrap.fill(about, WIDTH)}\n"""\n\n{body}\n'


def sources(cls: type[Experiment[Any]], knobs: Knobs) -> Callable[[str], Source | None]:
    """A lookup of the modules that a script takes parts of: those of Descent, and the experiment's. In them
    knobs are replaced by their values, and the experiment's class is reduced to what trains.
    """

    @cache
    def source_of(module: str) -> Source | None:
        if module != cls.__module__ and module.partition(".")[0] != "descent":
            return None
        file = sys.modules[module].__file__
        assert file is not None
        return Source(module, FOR_TOOLS.sub("", Path(file).read_text(encoding="utf-8")), edited)

    def edited(source: Source, node: ast.stmt) -> str:
        if isinstance(node, ast.ClassDef):
            found = vars(sys.modules[source.module])[node.name]
            if found is Knobs:
                return KNOBS
            if issubclass(found, Knobs):
                return _values(source, node, knobs)
            if found in cls.__mro__:
                members = [one for one in node.body if bound(one) & trains]
                return source.cut_class(node, [(one, source.cut(one)) for one in members])
        return source.cut(node)

    uses: dict[str, set[str]] = {}  # of each member of the class, by name
    for base in cls.__mro__:
        if source := source_of(base.__module__):
            for member in source.class_body(base.__name__):
                for name in bound(member):
                    uses.setdefault(name, set()).update(_used(member))
    trains, new = set[str](), {*BEGINNINGS}
    while new:
        trains |= new
        new = {used for name in new for used in uses.get(name, ())} - trains
    return source_of


def _used(member: ast.stmt) -> Iterator[str]:
    """Names of the members that `member` may use: a method by a dot, an assignment in the class without."""
    for node in ast.walk(member):
        if isinstance(node, ast.Attribute) and re.match(r"(self|cls|super\(\))$", ast.unparse(node.value)):
            yield node.attr
        elif isinstance(node, ast.Name) and not isinstance(member, ast.FunctionDef):
            yield node.id


def _values(source: Source, node: ast.ClassDef, knobs: Knobs) -> str:
    """A class of knobs as a dataclass of their values, without what checks these."""
    source.imports.append(Import("dataclasses", "", "dataclasses"))
    fields, checks = type(knobs).model_fields, type(knobs).__pydantic_decorators__
    dropped = {"model_config", *checks.model_validators, *checks.field_validators}
    members = []
    for member in node.body:
        if names := bound(member) - dropped:
            own = names & fields.keys()
            members.append((member, _field(knobs, own.pop()) if own else source.cut(member)))
    return "@dataclasses.dataclass(frozen=True)\n" + source.cut_class(node, members)


def _field(knobs: Knobs, name: str) -> str:
    info, value = type(knobs).model_fields[name], getattr(knobs, name)
    default = literal(value, "    ")
    if isinstance(value, list | dict):
        default = f"dataclasses.field(default_factory=lambda: {default})"
    extra = info.json_schema_extra
    what = f"{info.title} {extra.get('x-symbol', '')}".strip() if isinstance(extra, dict) else info.title
    kind = "object" if value is None else type(value).__name__
    return f"    {name}: {kind} = {default}  # {what}, {'live' if knobs.is_live(name) else 'fixed'}"


def literal(value: Any, indent: str = "") -> str:
    """A value as Python writes it, a long one over several lines. Raises `ValueError` if it has no literal.

    Characters that a reader would not see, or see in another place (control characters, marks that turn the
    direction of writing), are escaped.
    """
    inner = f"{indent}    "
    if isinstance(value, dict):
        ends, items = "{}", [f"{literal(key)}: {literal(item, inner)}" for key, item in value.items()]
    elif isinstance(value, list | tuple):
        ends, items = "[]" if isinstance(value, list) else "()", [literal(item, inner) for item in value]
    elif isinstance(value, str) and len(value) > LONG and len(lines := value.splitlines(keepends=True)) > 1:
        return "\n".join(["(", *(inner + literal(line) for line in lines), f"{indent})"])
    else:
        # With an apostrophe in a text, `repr` writes quotes around it.
        quoted = isinstance(value, str) and '"' not in value
        text = '"' + repr("'" + value)[2:] if quoted else repr(value)
        if ast.literal_eval(text) != value:
            raise ValueError(f"there is no literal for {text}")
        return text
    flat = ends[0] + ", ".join(items) + ("," if ends == "()" and len(items) == 1 else "") + ends[1]
    if len(flat) <= LONG and "\n" not in flat:
        return flat
    return "\n".join([ends[0], *(f"{inner}{item}," for item in items), f"{indent}{ends[1]}"])
