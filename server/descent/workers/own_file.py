"""Looks through a file that someone brought, in a process of its own: what a parser takes, it takes there.

    python -m descent.workers.own_file KIND [TYPES] < file

It writes JSON: a `problem` with `detail`, `message` and `params`, else the `preview`, and of pictures what is
`kept` of them, in base 64. TYPES: those chosen for columns of a table, in JSON. The process may take so much
memory and time.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from descent.contract import KnobError
from descent.kit.data.own import ColumnRole, FileKind, decoded
from descent.kit.data.own_images import MAGIC, OwnImages, packed, unpacked
from descent.kit.data.table import Table, raw_cells, read_table

MODULE = "descent.workers.own_file"
MEMORY = 6 << 30  # bytes of addresses, of which torch takes most and uses few
SECONDS = 60  # of the processor
ROWS, LETTERS, CELL, PICTURES = 8, 1200, 60, 6  # of a preview
TOO_MUCH = {
    "detail": "it takes too much memory or time to read",
    "message": "",
    "params": {"reason": "too-much"},
}


class LookedThrough(NamedTuple):
    """What is kept of a file, and what is shown of it."""

    kept: bytes
    preview: dict[str, Any]


def look_through(
    content: bytes, kind: FileKind, types: Mapping[str, ColumnRole] = MappingProxyType({})
) -> LookedThrough:
    """Read a file that should be of a kind. Raises `KnobError` for "file" where it is not."""
    if kind == "table":
        return LookedThrough(content, _of_table(content, read_table(content, "file", types)))
    if kind == "text":
        text = decoded(content, "file")
        shown = {"text": text[:LETTERS], "letters": len(text), "lines": text.count("\n") + 1}
        return LookedThrough(content, shown)
    if content.startswith(MAGIC):
        return LookedThrough(content, _of_images(unpacked(content, "file")))
    from descent.workers.zipped import read_zip

    images = read_zip(content, "file")
    return LookedThrough(packed(images), _of_images(images))


def problem_of(content: bytes, kind: FileKind) -> dict[str, Any]:
    """What is wrong with a file that should be of a kind; nothing if it is."""
    found: dict[str, Any] = _said(content, kind).get("problem", {})
    return found


def understood(said: Mapping[str, Any] | None, content: bytes) -> tuple[dict[str, Any] | None, LookedThrough]:
    """What the process said of a file: the problem, if any, and what is kept and shown."""
    if said is None:
        return TOO_MUCH, LookedThrough(b"", {})
    kept = base64.b64decode(said["kept"]) if "kept" in said else content
    return said.get("problem"), LookedThrough(kept, said.get("preview", {}))


def ask(
    content: bytes, kind: FileKind, types: Mapping[str, ColumnRole] = MappingProxyType({})
) -> tuple[dict[str, Any] | None, LookedThrough]:
    """Look through a file in a process of its own, and wait for it; as `understood`."""
    command = [sys.executable, "-m", MODULE, kind, json.dumps(dict(types))]
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    return understood(None if done.returncode else json.loads(done.stdout), content)


def _said(
    content: bytes, kind: FileKind, types: Mapping[str, ColumnRole] = MappingProxyType({})
) -> dict[str, Any]:
    try:
        kept, preview = look_through(content, kind, types)
    except KnobError as error:
        said = str(error).removeprefix("file: ")
        return {"problem": {"detail": said, "message": error.message, "params": error.params}}
    except MemoryError:
        return {"problem": TOO_MUCH}
    same = {} if kept == content else {"kept": base64.b64encode(kept).decode()}
    return {"preview": preview, **same}


def _of_table(content: bytes, table: Table) -> dict[str, Any]:
    _, names, rows = raw_cells(content, "file")
    roles = table.roles
    columns = []
    for name in names:
        column: dict[str, Any] = {"name": name, "type": roles[name]}
        if roles[name] == "number":
            values = table.values[:, table.names.index(name)]
            column["missing"] = int(values.isnan().sum())
            column["different"] = len(values[~values.isnan()].unique())
        elif roles[name] == "words":
            column["different"] = len({*table.words[name]})
        columns.append(column)
    cells = [[cell[:CELL] for cell in row[: len(names)]] for _, row in rows[:ROWS]]
    return {"rows": len(rows), "columns": columns, "cells": cells}


def _of_images(images: OwnImages) -> dict[str, Any]:
    from PIL import Image

    classes = []
    for place, name in enumerate(images.classes):
        pixels = images.pixels[images.labels == place]
        pictures = []
        for one in pixels[:PICTURES].movedim(1, -1).contiguous():
            file = io.BytesIO()
            Image.fromarray(one.numpy()).save(file, "PNG")
            pictures.append(base64.b64encode(file.getvalue()).decode())
        classes.append({"name": name, "count": len(pixels), "pictures": pictures})
    return {"classes": classes, "side": images.pixels.shape[-1]}


def main() -> None:
    """Read a file, write what was found."""
    with contextlib.suppress(ImportError):  # there is no such limit on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    kind: Any = sys.argv[1]
    types = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    json.dump(_said(sys.stdin.buffer.read(), kind, types), sys.stdout)


if __name__ == "__main__":
    main()
