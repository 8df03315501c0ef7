"""Values as they are written in Python: short ones on a line, long ones over several."""

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
            # JSON's escapes are Python's, too. It has none for half of a surrogate pair.
            return json.dumps(value, ensure_ascii=False) if _is_unicode(value) else repr(value)
        case list():
            return f"[{', '.join(map(_flat, value))}]"
        case tuple():
            return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
        case Mapping():
            return "{" + ", ".join(f"{_flat(key)}: {_flat(item)}" for key, item in value.items()) + "}"
        case _:
            return repr(value)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _tall(value: Any, text: str, indent: str) -> str:
    inner = f"{indent}    "
    if isinstance(value, str) and "\n" in value:
        lines = [_flat(line) for line in value.splitlines(keepends=True)]
        return "\n".join(["(", *(f"{inner}{line}" for line in lines), f"{indent})"])
    if isinstance(value, list | tuple):
        lines = [f"{inner}{literal(item, inner)}," for item in value]
        return "\n".join([text[0], *lines, f"{indent}{text[-1]}"])
    return text
