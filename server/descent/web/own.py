"""What has become of the files of one's own: those that give no experiment, and whether others may come."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from descent.contract.entry import Reason
from descent.registry import own_about
from descent.runs.own import OwnExperiments
from descent.web.door import VIEWER
from descent.web.experiments import Language, TheRegistry

router = APIRouter(prefix="/api/own", tags=["experiments"], dependencies=[VIEWER])


class BrokenFile(BaseModel):
    """A file that gives no experiment, with the line to mend: 0 where none is to blame."""

    id: str
    chapter: str
    chapter_title: str
    chapter_about: str
    file: str
    line: int
    reason: Reason
    detail: str = Field(description="As Python, or the contract, says it.")


class OwnReport(BaseModel):
    """The state of the experiments of one's own."""

    version: int = Field(description="Counts their changes.")
    changing: bool = Field(description="Whether it is worth asking again in a moment.")
    broken: list[BrokenFile]


@router.get("")
async def report(request: Request, registry: TheRegistry, lang: Language = "en") -> OwnReport:
    """The files of one's own that give no experiment, and whether what there is may change."""
    own: OwnExperiments = request.app.state.own
    broken = [
        BrokenFile(
            **{name: getattr(one, name) for name in ("id", "chapter", "file", "line", "reason", "detail")},
            chapter_title=one.called,
            chapter_about=own_about(one.called)[lang],
        )
        for one in registry.broken
    ]
    return OwnReport(version=registry.version, changing=own.changing, broken=broken)
