"""Looks through a file that someone brought, in a process of its own: what a parser takes, it takes there.

    python -m descent.workers.own_file KIND < file

It writes JSON: nothing but {} of a text or table, else the `detail`, `message` and `params` of what is wrong.
The process may take so much memory and time.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from descent.contract import KnobError
from descent.kit.data.own import FileKind, decoded
from descent.kit.data.table import read_table

MEMORY = 6 << 30  # bytes of addresses, of which torch takes most and uses few
SECONDS = 60  # of the processor


def problem_of(content: bytes, kind: FileKind) -> dict[str, Any]:
    """What is wrong with a file that should be of a kind; nothing if it is."""
    try:
        if kind == "table":
            read_table(content, "file")
        else:
            decoded(content, "file")
    except KnobError as error:
        said = str(error).removeprefix("file: ")
        return {"detail": said, "message": error.message, "params": error.params}
    except MemoryError:
        return {"detail": "it takes too much memory to read", "message": "", "params": {"reason": "too-much"}}
    return {}


def main() -> None:
    """Read a file, write what is wrong with it."""
    with contextlib.suppress(ImportError):  # there is no such limit on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    kind: Any = sys.argv[1]
    json.dump(problem_of(sys.stdin.buffer.read(), kind), sys.stdout)


if __name__ == "__main__":
    main()
