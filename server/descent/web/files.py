"""Files that learners bring, over REST: listed, shown, brought, renamed, deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import ClientDisconnect

from descent.access import Person
from descent.datasets.own import MOST_NAME, OwnFile, OwnFiles, no_such_file
from descent.errors import BadFile, NotPermitted, TooLarge
from descent.kit.data.own import ColumnRole, FileKind
from descent.kit.data.table import MOST_COLUMNS
from descent.settings import Settings
from descent.web.apart import said_apart
from descent.web.door import LEARNER, VIEWER, Asking
from descent.workers.own_file import MODULE, LookedThrough, understood

PATH = "/api/files"
AT_ONCE = 3  # held in memory and looked through at the same time; others wait, their bodies unread
WITHIN = 120  # seconds, to send and to look through
BINARY = "application/octet-stream"
LONGEST_CELL = 1000  # signs of a column's name

router = APIRouter(prefix=PATH, tags=["files"], dependencies=[VIEWER])


class OwnFileInfo(BaseModel):
    """A file that a learner brought."""

    id: str = Field(description="The digest of what is in it, and the value of a knob that takes it.")
    name: str
    kind: FileKind
    size: int = Field(description="Bytes.")
    added: float = Field(description="Seconds since the epoch.")
    own: bool = Field(description="Whether whoever asks may rename and delete it.")
    types: dict[str, ColumnRole] = Field({}, description="Of columns of a table, as they were chosen.")


class OwnFileName(BaseModel):
    """Another name for a file."""

    name: str = Field(min_length=1, max_length=10 * MOST_NAME)


class ColumnTypes(BaseModel):
    """What some columns of a table are."""

    types: dict[Annotated[str, StringConstraints(max_length=LONGEST_CELL)], ColumnRole] = Field(
        min_length=1, max_length=MOST_COLUMNS
    )


class ColumnInfo(BaseModel):
    """A column of a table."""

    name: str
    type: ColumnRole
    missing: int = Field(0, description="Cells without a number.")
    different: int | None = Field(None, description="Different values.")


class ClassInfo(BaseModel):
    """Pictures of one folder."""

    name: str
    count: int
    pictures: list[str] = Field(description="The first ones, as PNG in base 64.")


class OwnFilePreview(BaseModel):
    """What is in a file, of a table, a text or pictures."""

    rows: int | None = None
    columns: list[ColumnInfo] = []
    cells: list[list[str]] = Field([], description="The first rows, as they stand in the file.")
    text: str | None = Field(None, description="The beginning of a text.")
    letters: int | None = None
    lines: int | None = None
    classes: list[ClassInfo] = []
    side: int | None = Field(None, description="Pixels along the sides of the pictures that are kept.")


def _files(request: Request) -> OwnFiles:
    found: OwnFiles = request.app.state.files
    return found


TheFiles = Annotated[OwnFiles, Depends(_files)]


def _sees(person: Person, one: OwnFile) -> bool:
    return one.shared or person.has(one.owners)


async def _seen(file_id: str, files: TheFiles, person: Asking) -> OwnFile:
    """The file. Raises `UnknownFile` as well for somebody else's."""
    one = await asyncio.to_thread(files.find, file_id)
    if not _sees(person, one):
        raise no_such_file(file_id)
    return one


TheFile = Annotated[OwnFile, Depends(_seen)]


async def _own(one: TheFile, person: Asking) -> OwnFile:
    """The file. Raises `NotPermitted` where it is somebody else's."""
    if not person.has(one.owners):
        raise NotPermitted("this file is somebody else's", "file", reason="file")
    return one


OwnersFile = Annotated[OwnFile, Depends(_own)]


@router.get("")
async def list_files(files: TheFiles, person: Asking) -> list[OwnFileInfo]:
    """The files that were brought, the newest first: one's own, and what teachers brought."""
    found = await asyncio.to_thread(files.all)
    return [_info(one, person) for one in found if _sees(person, one)]


@router.post(
    "",
    status_code=201,
    dependencies=[LEARNER],
    openapi_extra={"requestBody": {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def bring(
    request: Request,
    files: TheFiles,
    person: Asking,
    name: Annotated[str, Query(min_length=1, max_length=10 * MOST_NAME)],
    kind: Annotated[FileKind, Query(description="What it has to be.")],
) -> OwnFileInfo:
    """Bring a file: a text in any usual encoding, a table as CSV, or a zip of pictures, folders as classes.

    What is no such thing is refused. Pictures are kept small, as experiments see them.
    """
    try:
        async with request.app.state.bringing, asyncio.timeout(WITHIN):
            content = await request.body()
            if kind != "images" and len(content) > request.app.state.largest_file:
                raise TooLarge("the file is too large (setting OWN_FILE_MB)", "body")
            kept, preview = await _looked_through(content, kind)
            add = _adding(files, name, kind, person, request)
            return _info(await asyncio.to_thread(add, kept, preview), person)
    except ClientDisconnect:
        raise BadFile("the file was not sent to its end", "file", reason="broken") from None
    except TimeoutError:
        raise BadFile(f"it was not sent and read within {WITHIN} s", "file", reason="too-slow") from None


@router.get("/{file_id}/preview")
async def preview(one: TheFile, files: TheFiles, request: Request) -> OwnFilePreview:
    """The first rows with the types of columns, the first lines, or the first pictures of each class."""
    noted = await asyncio.to_thread(files.preview, one.id)
    if noted is None:
        async with request.app.state.bringing:
            content = await asyncio.to_thread(files.content, one.id)
            _, noted = await _looked_through(content, one.kind, one.types)
        await asyncio.to_thread(files.note, one.id, noted)
    return OwnFilePreview(**noted)


@router.patch("/{file_id}", dependencies=[LEARNER])
async def rename(one: OwnersFile, named: OwnFileName, files: TheFiles, person: Asking) -> OwnFileInfo:
    """Give a file another name. Runs go on naming it by what is in it."""
    return _info(await asyncio.to_thread(files.rename, one.id, named.name), person)


@router.post("/{file_id}/types", status_code=201, dependencies=[LEARNER])
async def retype(
    one: TheFile, body: ColumnTypes, files: TheFiles, person: Asking, request: Request
) -> OwnFileInfo:
    """Read a table with other types of some columns. That is another file, beside the one that runs read.

    It is refused with the row and the column of a cell that does not fit.
    """
    if one.kind != "table":
        raise BadFile("only tables have columns", "file", reason="no-table")
    types = {**one.types, **body.types}
    async with request.app.state.bringing:
        content = await asyncio.to_thread(files.content, one.id)
        _, preview = await _looked_through(content, "table", types)
        add = _adding(files, one.name, "table", person, request)
        return _info(await asyncio.to_thread(add, content, preview, types=types), person)


@router.delete("/{file_id}", status_code=204, dependencies=[LEARNER])
async def remove(one: OwnersFile, files: TheFiles, person: Asking) -> None:
    """Delete a file. Runs that were trained on it stay; they cannot be gone back to.

    Of a file that others brought, too, a learner gives up their part.
    """
    if person.role == "teacher":
        await asyncio.to_thread(files.remove, one.id)
    else:
        await asyncio.to_thread(files.give_up, one.id, person.id)


async def _looked_through(
    content: bytes, kind: FileKind, types: Mapping[str, ColumnRole] | None = None
) -> LookedThrough:
    """The file, looked through in a process of its own. Raises `BadFile` that says what is wrong."""
    arguments = [json.dumps(types)] if types else []
    problem, found = understood(await said_apart(MODULE, kind, *arguments, data=content), content)
    if problem:
        raise BadFile(problem["detail"], "file", message=problem["message"], **problem["params"])
    return found


def _adding(files: OwnFiles, name: str, kind: FileKind, person: Person, request: Request) -> partial[OwnFile]:
    """`OwnFiles.add` for a person, of what is in the file."""
    settings: Settings = request.app.state.settings
    return partial(
        files.add,
        name,
        kind,
        owner=person.id,
        shared=person.role == "teacher",
        room=settings.data_each_mb << 20 if person.id else None,
    )


def _info(one: OwnFile, person: Person) -> OwnFileInfo:
    shown = {name: getattr(one, name) for name in OwnFileInfo.model_fields if name != "own"}
    return OwnFileInfo(**shown, own=person.has(one.owners))
