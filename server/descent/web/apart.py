"""Asking a module in a process of its own about what a client has sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any


async def said_apart(module: str, *arguments: str, data: bytes) -> Any:
    """What `python -m module arguments` writes in JSON when it is given `data`; None if it comes to grief."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await process.communicate(data)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return None if process.returncode else json.loads(said)
