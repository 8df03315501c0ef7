"""Pictures that a learner uploads for a knob to draw on: a file in, a few pixels out. Nothing is kept."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from descent.errors import BadPicture
from descent.web.apart import said_apart
from descent.web.door import LEARNER

PATH = "/api/pictures"
LARGEST = 12 << 20  # bytes of a file
WITHIN = 30  # seconds, to send and to decode
AT_ONCE = 2  # decoded at the same time; others wait, their bodies unread
KINDS = ("image/png", "image/jpeg")
MOST_SIDE = 96  # pixels along a side of what comes out

router = APIRouter(tags=["pictures"], dependencies=[LEARNER])
Side = Annotated[int, Query(ge=1, le=MOST_SIDE)]


class Pixels(BaseModel):
    """A picture as small as a knob takes it."""

    pixels: str = Field(
        description="Three hexadecimal digits per pixel (red, green, blue), row by row, the picture whole "
        "on a ground of its edge's colour."
    )


@router.post(
    PATH,
    openapi_extra={
        "requestBody": {
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}
        }
    },
)
async def read_picture(request: Request, rows: Side, columns: Side) -> Pixels:
    """The pixels of a PNG or JPEG file, decoded in a process of its own."""
    try:
        async with request.app.state.pictures, asyncio.timeout(WITHIN):
            return await _decoded(await request.body(), rows, columns)
    except ClientDisconnect:
        raise BadPicture("the file was not sent to its end", "picture", reason="broken") from None
    except TimeoutError:
        raise BadPicture(
            f"it was not sent and decoded within {WITHIN} s", "picture", reason="too-much"
        ) from None


async def _decoded(data: bytes, rows: int, columns: int) -> Pixels:
    """Raises `BadPicture`."""
    found = await said_apart("descent.workers.picture", str(rows), str(columns), data=data)
    if found is None:
        raise BadPicture("it took too much memory or time to decode", "picture", reason="too-much")
    if "reason" in found:
        detail = f"the file gives no picture: {found['reason']}; choose a PNG or JPEG file"
        raise BadPicture(detail, "picture", reason=found["reason"], **found["params"])
    return Pixels(pixels=found["pixels"])
