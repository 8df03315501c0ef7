"""Writes the parts of README.md and docs/ that the code already knows.

A part lies between `<!-- generated: NAME -->` and `<!-- end of NAME -->`, NAME being one of `PARTS`. Run
`make docs` after a change; a test, or `--check`, tells when that was forgotten.
"""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from descent import errors, protocol
from descent.contract import panels
from descent.settings import Settings
from descent.web import archive as archive_routes
from descent.web import data as data_routes
from descent.web import experiments as experiment_routes
from descent.web import files, stream
from descent.web import gallery as gallery_routes
from descent.web import own as own_routes
from descent.web import runs as run_routes

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "protocol.md", ROOT / "docs" / "adding-an-experiment.md")
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def table(*head: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table. A cell is one line: what has several is joined."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(text: str) -> str:
    """`text` as the cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def said(item: object) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((item.__doc__ or "").partition("\n\n")[0].split())


def code(value: object) -> str:
    """`value` as code."""
    return f"`{value}`"


def settings() -> str:
    """Every setting with its default and help."""

    def default(name: str) -> str:
        value = Settings.model_fields[name].default
        return "" if value in (PydanticUndefined, None, "") else code(value)

    return table(
        "Variable",
        "Option of `descent serve`",
        "Default",
        "Meaning",
        rows=[
            [
                code(f"DESCENT_{name.upper()}"),
                code(f"--{name.replace('_', '-')}"),
                default(name),
                field.description or "",
            ]
            for name, field in Settings.model_fields.items()
        ],
    )


def rest() -> str:
    """Every call, from the routes themselves."""
    app = FastAPI()
    app.include_router(experiment_routes.router)
    app.include_router(gallery_routes.router)
    app.include_router(own_routes.router)
    app.include_router(run_routes.router)
    app.include_router(archive_routes.router)
    app.include_router(data_routes.router)
    app.include_router(files.router)
    schema = app.openapi()
    rows = [
        [code(f"{method.upper()} {path}"), _asked(call, schema), call["description"]]
        for path, calls in schema["paths"].items()
        for method, call in calls.items()
    ]
    return table("Call", "Query or body", "Does", rows=rows)


def _asked(call: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    query = [code(f"?{one['name']}=") for one in call.get("parameters", []) if one["in"] == "query"]
    if "requestBody" not in call:
        return " ".join(query)
    content = call["requestBody"]["content"]
    if "application/json" not in content:
        return f"a body of {' or '.join(map(code, content))}"
    body = content["application/json"]["schema"]
    reference = next(option["$ref"] for option in body.get("anyOf", [body]) if "$ref" in option)
    return _fields(schema["components"]["schemas"][reference.rpartition("/")[2]])


def _fields(schema: Mapping[str, Any]) -> str:
    """The fields of a JSON object: name, type, limits, default."""
    required = schema.get("required", [])
    return ", ".join(
        f"{code(name)} {_type(field)}{_default(field) if name not in required else ''}"
        for name, field in schema.get("properties", {}).items()
        if "const" not in field
    )


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return "one of " + ", ".join(code(value) for value in field["enum"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "object" if name == "KnobValues" else code(name)
    if field.get("type") == "array":
        return f"array of {_type(field['items'])}"
    limits = [f"{sign} {_number(field[key])}" for key, sign in LIMITS.items() if key in field]
    return " ".join([str(field.get("type", "anything")), *limits])


def _number(value: float) -> str:
    return str(int(value) if value == int(value) else value)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    return "" if value in (None, "", {}) else f" (default {code(str(value).lower())})"


def _messages(messages: Iterable[type[BaseModel]]) -> str:
    return table(
        "`type`",
        "Other fields",
        "Meaning",
        rows=[
            [
                code(message.model_fields["type"].default),
                _fields(message.model_json_schema()),
                said(message),
            ]
            for message in messages
        ],
    )


def commands() -> str:
    """What a client may say on the stream."""
    union = typing.get_args(protocol.Command)[0]
    return _messages(typing.get_args(union))


def events() -> str:
    """What the server says on the stream, in JSON."""
    return _messages(typing.get_args(protocol.Event))


def run_info() -> str:
    """The fields of a run."""
    schema = protocol.RunInfo.model_json_schema()["properties"]
    return table(
        "Field",
        "Type",
        "Meaning",
        rows=[[code(name), _type(field), field.get("description", "")] for name, field in schema.items()],
    )


def problems() -> str:
    """Every error's status and code."""
    found = errors.DescentError.__subclasses__()
    return table(
        "Status",
        "`code`",
        "Meaning",
        rows=sorted([str(error.status), code(error.code), said(error)] for error in found),
    )


def close_codes() -> str:
    """Why a stream is closed by the server."""
    meanings = {
        stream.UNSUPPORTED_DATA: "a command came as binary; commands are JSON text",
        stream.POLICY_VIOLATION: f"{stream.MISTAKES} commands were refused for more than a knob's value, "
        "or Host or Origin is not allowed",
        stream.TRY_AGAIN_LATER: "as many clients watch as the settings allow; it may try again later",
        stream.NO_SUCH_RUN: "there is no such run, or it was deleted",
    }
    return table("Code", "Meaning", rows=[[str(number), why] for number, why in sorted(meanings.items())])


def panel_kinds() -> str:
    """Every kind of picture: which fields are arrays, and which travel as JSON beside them."""

    def names(picture: type[panels.Picture], *, arrays: bool) -> str:
        found = fields(picture)  # type: ignore[arg-type]
        return ", ".join(code(one.name) for one in found if (str(one.type) == "Array") == arrays)

    return table(
        "Kind",
        "Arrays",
        "In `meta`",
        "Shows",
        rows=[
            [code(kind), names(picture, arrays=True), names(picture, arrays=False), said(picture)]
            for kind, picture in panels.Picture.kinds.items()
        ],
    )


PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "rest": rest,
    "run": run_info,
    "problems": problems,
    "commands": commands,
    "events": events,
    "close codes": close_codes,
    "panel kinds": panel_kinds,
}


def generated(text: str) -> str:
    """`text` with every generated part written anew. Raises `KeyError` for a part nobody writes."""

    def write(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- generated: {name} -->\n{PARTS[name]()}\n<!-- end of {name} -->"

    pattern = r"<!-- generated: (?P<name>[a-z ]+) -->\n.*?<!-- end of (?P=name) -->"
    return re.sub(pattern, write, text, flags=re.DOTALL)


def main(*arguments: str) -> None:
    """Bring every document up to date, or with `--check` say which are not."""
    texts = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    stale = {path: new for path, text in texts.items() if (new := generated(text)) != text}
    if "--check" in arguments:
        sys.exit(", ".join(path.name for path in stale) + ": run `make docs`" if stale else 0)
    for path, new in stale.items():
        path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
