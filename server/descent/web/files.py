"""Files that learners bring, over REST: which there are, bringing one, deleting one."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from descent.datasets.own import MOST_NAME, OwnFile, OwnFiles
from descent.errors import BadFile
from descent.kit.data.own import FileKind
from descent.web.apart import said_apart
from descent.web.door import LEARNER, TEACHER, VIEWER

PATH = "/api/files"
AT_ONCE = 3  # held in memory and looked through at the same time; others wait, their bodies unread
WITHIN = 120  # seconds, to send and to look through
BINARY = "application/octet-stream"

router = APIRouter(prefix=PATH, tags=["files"], dependencies=[VIEWER])


class OwnFileInfo(BaseModel):
    """A file that a learner brought."""

    id: str = Field(description="The digest of what is in it, and the value of a knob that takes it.")
    name: str
    kind: FileKind
    size: int = Field(description="Bytes.")
    added: float = Field(description="Seconds since the epoch.")


def _files(request: Request) -> OwnFiles:
    found: OwnFiles = request.app.state.files
    return found


TheFiles = Annotated[OwnFiles, Depends(_files)]


@router.get("")
async def list_files(files: TheFiles) -> list[OwnFileInfo]:
    """The files that were brought, the newest first."""
    return [_info(one) for one in await asyncio.to_thread(files.all)]


@router.post(
    "",
    status_code=201,
    dependencies=[LEARNER],
    openapi_extra={"requestBody": {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def bring(
    request: Request,
    files: TheFiles,
    name: Annotated[str, Query(min_length=1, max_length=10 * MOST_NAME)],
    kind: Annotated[FileKind, Query(description="What it has to be.")],
) -> OwnFileInfo:
    """Bring a file: a text in any usual encoding, or a table as CSV. What is no such thing is refused."""
    try:
        async with request.app.state.bringing, asyncio.timeout(WITHIN):
            content = await request.body()
            if problem := await _problem(content, kind):
                raise BadFile(problem["detail"], "file", message=problem["message"], **problem["params"])
            return _info(await asyncio.to_thread(files.add, name, kind, content))
    except ClientDisconnect:
        raise BadFile("the file was not sent to its end", "file", reason="broken") from None
    except TimeoutError:
        raise BadFile(f"it was not sent and read within {WITHIN} s", "file", reason="too-slow") from None


@router.delete("/{file_id}", status_code=204, dependencies=[TEACHER])
async def remove(file_id: str, files: TheFiles) -> None:
    """Delete a file. Runs that were trained on it stay; they cannot be gone back to."""
    await asyncio.to_thread(files.remove, file_id)


async def _problem(content: bytes, kind: str) -> dict[str, Any]:
    """What is wrong with the file, found out in a process of its own; nothing if all is well."""
    found: dict[str, Any] | None = await said_apart("descent.workers.own_file", kind, data=content)
    if found is None:
        return {"detail": "it takes too much to read", "message": "", "params": {"reason": "too-much"}}
    return found


def _info(one: OwnFile) -> OwnFileInfo:
    return OwnFileInfo(**asdict(one))
