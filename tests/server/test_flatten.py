"""Several modules in one text: what is kept, and that it still does the same."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

import pytest

from descent.archive.flatten import Flattened, Source
from descent.archive.script import literal
from descent.errors import NoScript


def flattened(main: str, **modules: str) -> str:
    """What `wanted` of `toy.main` needs, of that and of the other modules of `toy`."""
    modules["main"] = main
    toys = {f"toy.{name}": Source(f"toy.{name}", textwrap.dedent(text)) for name, text in modules.items()}
    toys["toy"] = Source("toy", "")
    flat = Flattened(toys.get)
    flat.take_name(toys["toy.main"], "wanted")
    return flat.text()


def result(text: str) -> Any:
    space: dict[str, Any] = {}
    exec(compile(text, "flattened", "exec"), space)
    return space["wanted"]()


def test_only_what_is_needed_is_kept_with_its_comments() -> None:
    text = flattened(
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
            unused = 1
            return area() * unused


        def other():
            return unused()
        """,
    )
    assert result(text) == pytest.approx(12.566, abs=1e-3)
    assert text == textwrap.dedent('''\
        from __future__ import annotations

        import math


        # -------------------- toy.helper
        # Helps.

        # On the radius.
        RADIUS = 2  # metres


        def area():
            """πr²."""
            return math.pi * RADIUS**2  # by Archimedes


        # -------------------- toy.main


        def wanted():
            unused = 1
            return area() * unused''')


def test_a_long_line_of_imports_is_parted_and_one_import_is_shared() -> None:
    text = flattened(
        helper="from torch.nn import functional as F\ndef first():\n    return F.relu.__name__\n",
        main="""
        import os.path
        import torch.nn.functional as F
        from itertools import accumulate, chain, combinations, compress, count, cycle, dropwhile, filterfalse
        from itertools import groupby, islice, pairwise

        from toy.helper import first


        def wanted():
            every = [accumulate, chain, combinations, compress, count, cycle, dropwhile, filterfalse, groupby]
            return first(), F.relu.__name__, os.path.join("a", "b"), len([*every, islice, pairwise])
        """,
    )
    assert text.count("functional as F") == 1
    assert "from itertools import (\n    accumulate,\n    chain,\n" in text
    assert result(text) == ("relu", "relu", "a/b", 11)


def test_names_that_are_taken_through_another_module_are_found() -> None:
    text = flattened(
        package="from toy.within import load\n",
        within="def load():\n    return 'loaded'\n",
        main="from toy.package import load\ndef wanted():\n    return load()\n",
    )
    assert "toy.package" not in text
    assert result(text) == "loaded"


def test_a_name_may_be_local_elsewhere() -> None:
    text = flattened(
        helper="def load():\n    return 'loaded'\n",
        main="""
        from toy.helper import load


        def wanted():
            return load(), (lambda load: load)("!"), local(), [load for load in "ab"]


        def local():
            load = 1
            return load
        """,
    )
    assert result(text) == ("loaded", "!", 1, ["a", "b"])


def test_statements_that_change_what_is_needed_are_kept() -> None:
    text = flattened(
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
    assert "OTHER" not in text
    assert result(text) == ({"a": 1, "b": 2}, 3)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def wanted():\n    from toy import helper\n    return helper", "imports toy within a function"),
        ("from toy import helper\ndef wanted():\n    return helper.END", "toy does not define helper"),
        ("import toy.helper as h\ndef wanted():\n    return h.END", "imports toy.helper as h"),
        ("from toy.helper import END as E\ndef wanted():\n    return E", "imports END as E"),
        ("def wanted():\n    return nowhere", "toy.main does not define nowhere"),
        (
            "from toy.helper import end\nEND = 2\ndef wanted():\n    return end(), END",
            "END is one thing in toy.main and another in toy.helper",
        ),
        (
            "from toy.helper import end\nsum = 2\ndef wanted():\n    return end(), sum",
            "sum is one thing in builtins and another in toy.main",
        ),
        (
            "from toy.helper import end\nfrom os import path as date\ndef wanted():\n    return end(), date",
            "date is one thing in os.path and another in datetime.date",
        ),
    ],
)
def test_what_would_need_another_name_is_refused(source: str, complaint: str) -> None:
    helper = "from datetime import date\nEND = 1\ndef end():\n    return sum([END]), date\n"
    with pytest.raises(NoScript, match="one namespace") as refusal:
        flattened(source, helper=helper)
    assert complaint in refusal.value.detail


@pytest.mark.parametrize(
    "value",
    [
        1e-05,
        -3,
        True,
        None,
        "a 'quoted' \"one\" \\ with\ttab, 한국어 and \x00",
        "don't",
        "line one is rather long, and so is this text\nline two\n\nline four",
        "one line that is much longer than what is parted, with a line's end at its end and no more\n",
        [],
        (1,),
        (list(range(99)),),
        [[0.5, -0.25, 1.0]] * 20,
        {"lr": 0.1, "points": [[1.0, 2.0, -1.0]] * 10},
        [(300, {"lr": 0.1}), (400, {"racers": ["sgd", "adam"]})] * 3,
        "\ud800",
    ],
)
def test_a_literal_says_what_was_meant(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value
    assert ast.literal_eval(f"[\n    {literal(value, '    ')}]") == [value]


def test_what_has_no_literal_is_refused() -> None:
    for value in (float("nan"), [float("inf")], {"a": object()}):
        with pytest.raises((ValueError, SyntaxError)):
            literal(value)
