"""Data sets over REST: which there are, fetching one, cancelling that, deleting it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from descent.datasets.catalogue import DataSet
from descent.datasets.fetches import Fetches
from descent.errors import ProblemDetails
from descent.web.door import TEACHER, VIEWER

router = APIRouter(prefix="/api/data", tags=["data"], dependencies=[VIEWER])


class DataSetInfo(BaseModel):
    """A data set that experiments can train on."""

    name: str
    title: str
    state: Literal["absent", "fetching", "fetched", "own"] = Field(
        description="`own`: it lies in the folder DATA, and need not be fetched."
    )
    size: int = Field(description="Bytes to fetch.")
    done: int = Field(description="Bytes that have come; where it is `absent`, a fetch goes on from there.")
    licence: str = Field(description="Empty where its makers state none.")
    citation: str
    home: str = Field(description="The address of the page about it.")
    problem: ProblemDetails | None = Field(
        description="Why the last fetch failed, as problem details with the `code` `fetch-failed`."
    )


def _fetches(request: Request) -> Fetches:
    found: Fetches = request.app.state.fetches
    return found


def _named(name: str, fetches: Annotated[Fetches, Depends(_fetches)]) -> DataSet:
    return fetches.shelf.find(name)


TheFetches = Annotated[Fetches, Depends(_fetches)]
TheSet = Annotated[DataSet, Depends(_named)]


@router.get("")
async def list_data(fetches: TheFetches) -> list[DataSetInfo]:
    """All data sets that can be fetched; those on their way with how far they are."""
    return await asyncio.to_thread(lambda: [_info(one, fetches) for one in fetches.shelf.catalogue.values()])


@router.post("/{name}/fetch", status_code=202, dependencies=[TEACHER])
async def fetch(one: TheSet, fetches: TheFetches) -> DataSetInfo:
    """Begin to fetch a data set, or go on where an earlier fetch broke off."""
    await asyncio.to_thread(fetches.start, one)
    return await asyncio.to_thread(_info, one, fetches)


@router.delete("/{name}/fetch", dependencies=[TEACHER])
async def cancel(one: TheSet, fetches: TheFetches) -> DataSetInfo:
    """Cancel a fetch, and delete what has come of it."""
    await asyncio.to_thread(fetches.cancel, one)
    return await asyncio.to_thread(_info, one, fetches)


@router.delete("/{name}", dependencies=[TEACHER])
async def remove(one: TheSet, fetches: TheFetches) -> DataSetInfo:
    """Delete a data set that was fetched; those in the folder DATA stay. A fetch under way is cancelled."""
    await asyncio.to_thread(fetches.cancel, one)
    await asyncio.to_thread(fetches.shelf.remove, one)
    return await asyncio.to_thread(_info, one, fetches)


def _info(one: DataSet, fetches: Fetches) -> DataSetInfo:
    coming, place, problem = fetches.progress(one), fetches.shelf.place(one), fetches.problem(one)
    return DataSetInfo(
        name=one.name,
        title=one.title,
        state="fetching" if coming is not None else place,
        size=one.size,
        done=coming if coming is not None else 0 if place != "absent" else fetches.shelf.begun(one),
        licence=one.licence,
        citation=one.citation,
        home=one.home,
        problem=problem.problem() if problem and coming is None and place == "absent" else None,
    )
