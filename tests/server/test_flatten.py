"""Several modules in one text: what is kept, what it is called, and that it still does the same."""

from __future__ import annotations

import ast
import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from descent.archive.flatten import Defined, Flattened, Imported
from descent.archive.literal import literal
from descent.archive.scopes import References
from descent.errors import NoScript

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Call it with modules of a package `toy`, by name; they are imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").touch()

    def write_(**modules: str) -> None:
        for name, text in modules.items():
            (tmp_path / "toy" / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        for name in modules:
            importlib.import_module(f"toy.{name}")

    yield write_
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy"]:
        del sys.modules[name]


def flattened(name: str = "wanted", **rest: Any) -> str:
    arguments: dict[str, Any] = {"instead": {}, "headings": {}, "imports": (), "taken": ()}
    arguments |= {"own": lambda module: module.partition(".")[0] == "toy", "adapt": lambda *_: None}
    return Flattened(Defined("toy.main", name), **arguments | rest).text()


def result(text: str) -> Any:
    space: dict[str, Any] = {}
    exec(compile(text, "flattened", "exec"), space)
    return space["wanted"]()


def test_only_what_is_needed_is_kept_with_its_comments(write: Write) -> None:
    write(
        helper='''
        """Helps."""
        import os
        import math
        # On the radius.
        RADIUS = 2  # metres
        UNUSED = os.sep


        def area():
            """πr²."""
            return math.pi * RADIUS**2  # by Archimedes


        def unused():
            return UNUSED
        ''',
        main="""
        from toy.helper import area, unused


        def wanted():
            return area()


        def other():
            return unused()
        """,
    )
    text = flattened()
    for part in ("# Helps.", "# On the radius.\nRADIUS = 2  # metres", "# by Archimedes", "import math"):
        assert part in text
    for part in ("UNUSED", "unused", "import os", "other", "toy"):
        assert part not in text
    assert result(text) == pytest.approx(12.566, abs=1e-3)


def test_two_things_of_one_name_are_told_apart(write: Write) -> None:
    write(
        helper="""
        NAMES = ["a", "b"]
        _hidden = 1


        def load(NAMES=NAMES):
            return [*NAMES, _hidden]
        """,
        main="""
        from toy import helper as tools

        NAMES = ["c"]
        _hidden = 2


        def wanted():
            return tools.load(), [NAMES for NAMES in tools.NAMES], NAMES, _hidden, tools.NAMES
        """,
    )
    text = flattened()
    assert "helper_NAMES = " in text
    assert "_helper_hidden" in text
    assert result(text) == (["a", "b", 1], ["a", "b"], ["c"], 2, ["a", "b"])


def test_a_name_that_is_local_where_it_is_used_gets_another(write: Write) -> None:
    write(
        helper="def load():\n    return 'loaded'\n",
        main="""
        from toy import helper


        def wanted():
            load = helper.load()
            return load, (lambda load: helper.load() + load)("!")
        """,
    )
    assert result(flattened()) == ("loaded", "loaded!")


def test_one_name_for_two_imports_is_told_apart_and_one_import_is_shared(write: Write) -> None:
    write(
        helper="""
        from torch.nn import functional as F
        from itertools import chain as join


        def first():
            return list(join([1], [2])), F.relu.__name__
        """,
        main="""
        import torch.nn.functional as F
        from os.path import join

        from toy.helper import first


        def wanted():
            return first(), join("a", "b"), F.relu.__name__
        """,
    )
    text = flattened()
    assert text.count("from torch.nn import functional as F") == 1
    assert result(text) == (([1, 2], "relu"), "a/b", "relu")


def test_names_of_the_surroundings_and_builtins_are_not_taken(write: Write) -> None:
    write(
        helper="def sum():\n    return 'mine'\n",
        main="""
        import numpy as random

        from toy.helper import sum as total

        SEED = 3


        def wanted():
            return total(), SEED, random.pi
        """,
    )
    text = flattened(taken=["SEED"], imports=[Imported("random", "", "random")])
    assert "def helper_sum" in text
    assert "main_SEED = 3" in text
    assert "import random\n" in text
    assert result(text)[:2] == ("mine", 3)


def test_statements_that_change_what_is_needed_are_kept(write: Write) -> None:
    write(
        main="""
        TABLE = {"a": 1}
        TABLE["b"] = 2
        OTHER = {}
        OTHER["c"] = 3
        TOTAL = 0
        for value in TABLE.values():
            TOTAL += value


        def wanted():
            return TABLE, TOTAL
        """
    )
    text = flattened()
    assert "OTHER" not in text
    assert result(text) == ({"a": 1, "b": 2}, 3)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import pydantic\ndef wanted():\n    return pydantic.BaseModel", "pydantic"),
        (
            "def wanted():\n    from toy import helper\n    return helper",
            "import of Descent within a function",
        ),
        ("def wanted():\n    import requests_like\n", "requests_like"),
        ("from toy import helper\ndef wanted():\n    return helper", "module toy.helper as a value"),
        ("def wanted():\n    return nowhere", "'nowhere', which nothing defines"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_with_its_place(
    write: Write, source: str, complaint: str
) -> None:
    write(helper="", main=source)
    with pytest.raises(NoScript, match=r"\(toy.main, line \d\)") as refusal:
        flattened()
    assert complaint in refusal.value.detail


def references(source: str) -> set[str]:
    return {node.id for node, _ in References(ast.parse(textwrap.dedent(source)).body).found}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(a, *b, c=d, **e) -> g:\n    return a, b, c, e, h", {"d", "g", "h"}),
        ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        return x, y\n    return g", {"y"}),
        ("def f():\n    global x\n    x = y", {"x", "y"}),
        (
            "class A(B):\n    x = y\n    z = x\n    def f(self):\n        return x, z",
            {"B", "y", "x", "z", "A"},
        ),
        ("f = lambda a, b=c: a + d", {"f", "c", "d"}),
        ("def f():\n    return [x for x in x if (y := x)], y", {"x"}),
        ("def f(o):\n    match o:\n        case P(a) | [a, *b] | {**c}:\n            return a, b, c", {"P"}),
        ("def f():\n    try:\n        import a.b\n    except E as e:\n        return a, e", {"E"}),
        (
            "def f():\n    with o() as (a, b), c:\n        for d, e in b:\n            del d\n    return e",
            {"o", "c"},
        ),
        ("@d\ndef f(x: t = v): return {k: w for k, w in x}", {"d", "t", "v"}),
        ("def f():\n    return f'{x!r:>{w}}'", {"x", "w"}),
    ],
)
def test_references_to_the_module_are_told_from_local_names(source: str, names: set[str]) -> None:
    assert references(source) - {"A"} == names - {"A"}


@pytest.mark.parametrize(
    "value",
    [
        1e-05,
        -3,
        True,
        None,
        "a 'quoted' \"one\" \\ with\ttab, 한국어 and \x00",
        "line one is rather long, and so is this text\nline two\n\nline four",
        [],
        (1,),
        [[0.5, -0.25, 1.0]] * 20,
        {"lr": 0.1, "points": [[1.0, 2.0, -1.0]] * 10},
        [(300, {"lr": 0.1}), (400, {"racers": ["sgd", "adam"]})] * 3,
        "\ud800",
    ],
)
def test_a_literal_says_what_was_meant(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value


def test_what_has_no_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="malformed"):
        literal(float("nan"))
