"""What binary frames carry, for OpenAPI: a picture's arrays and its other fields, by kind; and a sweep's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NotRequired, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from descent.contract.panels import Array, Note, Picture
from descent.engine.sweep.sweep import SweepMeta

EXACT = ConfigDict(extra="forbid")


def declare(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document the schemas `Pictures` and `SweepMeta`."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    metas = {kind: meta_of(picture) for kind, picture in Picture.kinds.items()}
    told, shared = TypeAdapter.json_schemas(
        [(name, "serialization", TypeAdapter(meta)) for name, meta in [*metas.items(), ("sweep", SweepMeta)]],
        ref_template="#/components/schemas/{model}",
    )
    pictures = {
        kind: _object(
            {
                "tensors": {"type": "string", "enum": arrays_of(picture)},
                "meta": told[kind, "serialization"],
            }
        )
        for kind, picture in Picture.kinds.items()
    }
    schemas["Pictures"] = {"description": "By kind: names of a frame's `tensors`, and its `meta`."}
    schemas["Pictures"] |= _object(pictures)
    schemas["SweepMeta"] = told["sweep", "serialization"]
    schemas.update(shared.get("$defs", {}))


def arrays_of(picture: type[Picture]) -> list[str]:
    """The fields of a picture that travel as tensors."""
    hints = get_type_hints(picture)
    return [field.name for field in fields(picture) if hints[field.name] == Array]  # type: ignore[arg-type]


def meta_of(picture: type[Picture]) -> Any:
    """The type of a picture's other fields, which travel as JSON."""
    hints, arrays = get_type_hints(picture), arrays_of(picture)
    names = [field.name for field in fields(picture) if field.name not in arrays]  # type: ignore[arg-type]
    kept: dict[str, Any] = {name: hints[name] for name in names} | {"reading": NotRequired[Note]}
    meta = TypedDict(f"{picture.__name__}Meta", kept)  # type: ignore[misc]
    return with_config(EXACT)(meta)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }
