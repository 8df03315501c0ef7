"""Values as they are written in Python: short ones on a line, long ones over several.

What a reader would not see, or see elsewhere than it is (control characters, marks that turn the direction of
writing), is written as an escape.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

LONG = 60  # letters, beyond which a value takes several lines


def literal(value: Any, indent: str = "") -> str:
    """A value in Python's words, its further lines indented. Raises `ValueError` for what has none."""
    text = _flat(value)
    if ast.literal_eval(text) != value:
        raise ValueError(f"there is no literal for {value!r}")
    return text if len(text) <= LONG else _tall(value, text, indent)


def _flat(value: Any) -> str:
    match value:
        case str():
            # JSON's escapes are Python's, too.
            return "".join(map(_visible, json.dumps(value, ensure_ascii=False)))
        case list():
            return f"[{', '.join(map(_flat, value))}]"
        case tuple():
            return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
        case Mapping():
            return "{" + ", ".join(f"{_flat(key)}: {_flat(item)}" for key, item in value.items()) + "}"
        case _:
            return repr(value)


def _visible(letter: str) -> str:
    """A letter of a text, or its escape: also halves of surrogate pairs, which no file can hold."""
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _tall(value: Any, text: str, indent: str) -> str:
    inner = f"{indent}    "
    if isinstance(value, str) and "\n" in value:
        lines = [_flat(line) for line in value.splitlines(keepends=True)]
        return "\n".join(["(", *(f"{inner}{line}" for line in lines), f"{indent})"])
    if isinstance(value, list | tuple):
        lines = [f"{inner}{literal(item, inner)}," for item in value]
        return "\n".join([text[0], *lines, f"{indent}{text[-1]}"])
    if isinstance(value, Mapping):
        lines = [f"{inner}{_flat(key)}: {literal(item, inner)}," for key, item in value.items()]
        return "\n".join(["{", *lines, f"{indent}}}"])
    return text
