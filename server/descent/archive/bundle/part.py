"""What the JSON in a bundle is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from descent.archive.bundle.zip import bad

LARGEST_FILE = 1 << 20  # bytes of JSON that is no list

M = TypeVar("M")


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is beyond the calendar") from None


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=10_000)]  # as PostgreSQL takes it


class Part(BaseModel):
    """Base of what is written as JSON: unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def parsed(name: str, adapter: TypeAdapter[M], data: bytes) -> M:
    """The JSON of the entry `name`. Raises `BadArchive`, which says where it is wrong."""
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise bad(name, f"{place}: {first['msg']}" if place else first["msg"]) from error
