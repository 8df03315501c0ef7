"""The errors that every operation may respond with, for OpenAPI."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from descent import errors

MEDIA_TYPE = "application/problem+json"
SCHEMA = {
    "title": "Problem",
    "type": "object",
    "description": "RFC 9457 problem details. `code` says what is wrong, `field` where, `params` the values.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
        "params": {"type": "object", "additionalProperties": True},
    },
}


def declare(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document the statuses of all errors, to every operation."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, codes in statuses().items():
                said = f"{HTTPStatus(status).phrase}: {', '.join(codes)}"
                operation["responses"][str(status)] = {"description": said, "content": content}


def statuses() -> dict[int, list[str]]:
    """Every status of an error, and the codes it comes with."""
    found: dict[int, list[str]] = {}
    for kind in sorted(_kinds(errors.DescentError), key=lambda kind: (kind.status, kind.code)):
        found.setdefault(kind.status, []).append(kind.code)
    return found


def _kinds(kind: type[errors.DescentError]) -> Iterator[type[errors.DescentError]]:
    yield kind
    for further in kind.__subclasses__():
        yield from _kinds(further)
