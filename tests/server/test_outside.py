"""A script says nothing that came from outside but as a value, whatever the value is."""

from __future__ import annotations

import ast
import io
import runpy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bundle import changed, zipped

from descent.archive import script
from descent.archive.bundle.import_ import Intake
from descent.archive.script import Recipe, text
from descent.registry import experiments
from descent.store.store import Store
from tiny import REGISTRY

pytestmark = pytest.mark.slow

# Quotes, ends of lines, escapes, what is replaced in texts, comments for tools, and what turns text round.
PIECES = [
    *('"', "'", '"""', "'''", "\\", "\\N{x}", "\\u", "\n", "\r", "\r\n", "\t", "\x00", "\x0c", "\x85"),
    *("\u2028", "\u202e", "\u2066", "\u200f", "\ufeff", "\ud800", "\udfff", "\U0001f600", "한글", "ａ"),
    *("{", "}", "{}", "{0}", "{steps}", "{{", "%s", "$x", "\\1", "\\g<0>", "# noqa"),
    *("# type: ignore", "# fmt: off", ";", ",", ")", "]", "#", "import os", "exit()", "=", " ", "    "),
]
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)
quick = settings(deadline=None, max_examples=60)
ENTRY = experiments()["lstm-cells"]
DEFAULTS = ENTRY.knobs_type()
TEXTS = [name for name in ENTRY.knobs_type.model_fields if isinstance(getattr(DEFAULTS, name), str)]
HARMLESS = ast.parse(text(Recipe(ENTRY, 0, DEFAULTS, [], 10, [], {})))


def values(script: str) -> dict[str, Any]:
    """What a script assigns outside of functions and classes, and what its knobs are."""
    tree = ast.parse(script)
    knobs = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Knobs")]
    found = {}
    for node in [*tree.body, *(member for one in knobs for member in one.body)]:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and node.value is not None:
            try:
                found[target.id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def shape(script: ast.Module) -> list[str]:
    """Everything in a script but for its values: the statements, and all that is in functions."""
    return [
        type(node).__name__ if isinstance(node, ast.Assign | ast.AnnAssign) else ast.dump(node)
        for node in script.body
        if not isinstance(node, ast.ClassDef) or not node.name.endswith("Knobs")
    ]


@quick
@given(hostile, st.dictionaries(hostile, hostile, max_size=4), st.lists(hostile, max_size=4), hostile)
def test_whatever_comes_from_outside_is_a_value_in_the_script(own, versions, names, later):
    knobs = DEFAULTS.model_copy(update=dict.fromkeys(TEXTS, own))
    script = text(Recipe(ENTRY, 0, knobs, [(3, {TEXTS[0]: later})], 10, names, versions, imported=True))
    assert script.startswith("# From a run that was imported")
    script.encode()
    assert all(letter.isprintable() or letter == "\n" for letter in script)
    found = values(script)
    assert all(found[name] == own for name in TEXTS)
    assert found["RUN"] == versions
    assert found["SCALARS"] == names
    assert found["CHANGES"] == [(3, {TEXTS[0]: later})]
    assert shape(ast.parse(script)) == shape(HARMLESS)


ATTACK = {
    "python": "3.11.7\"\"\";'''",
    "torch": '2.0\n"""\nraise SystemExit("run")\n"""',
    "system": "C:\\Users\\N{x}",
    "numpy": "{0} {steps} \u202e",
    "evil": '""" + open("x") + """',
}
NAME = "''';raise SystemExit('run');[0,#"


def test_the_script_of_an_imported_run_runs_nothing_of_it(tmp_path):
    store = Store("", tmp_path)
    bundle = changed("run.json", environment=ATTACK, name=NAME)
    with Intake(io.BytesIO(zipped(bundle)), 1 << 24, REGISTRY) as intake:
        intake.write(store)
    row = store.run(intake.run_id)
    store.set(row.id, latest={NAME: 1.0})  # as an earlier version may have taken it in
    written = script.write(store, row.id, REGISTRY)
    assert written.startswith("# From a run that was imported")
    found = values(written)
    assert found["RUN"] == {"id": row.id, "device": "cpu"} | {n: ATTACK[n] for n in ATTACK if n != "evil"}
    assert NAME in found["SCALARS"]
    (tmp_path / "script.py").write_text(written, encoding="utf-8")
    assert runpy.run_path(str(tmp_path / "script.py"))["RUN"] == found["RUN"]
    store.close()
