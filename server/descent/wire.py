"""Frames to bytes and back, in the safetensors layout; pure, no sockets.

A binary frame is a safetensors file: a JSON header with `__metadata__` (all strings), then the tensors.
`type` is `scalars`, `panel` or `sweep`; `run`, `seq` and `step` are always there, and for panels `panel`,
`kind` and `meta` (JSON: the picture's fields that are no arrays). The safetensors format orders tensors by
alignment and pads the header, so a reader can take typed views without copying.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save

from descent.contract.panels import Array, Picture, split

_NARROW: dict[Any, type[np.generic]] = {
    np.dtype(np.float64): np.float32,
    np.dtype(np.int64): np.int32,
    np.dtype(bool): np.uint8,
}


@dataclass(frozen=True)
class Frame:
    """A decoded frame: `meta` is the parsed JSON of a panel, empty for scalars."""

    type: str
    run: str
    seq: int
    step: int
    arrays: dict[str, np.ndarray]
    panel: str = ""
    kind: str = ""
    meta: Mapping[str, Any] | None = None


def to_numpy(value: Array) -> np.ndarray:
    """A contiguous array the page can view: float32, int32 or uint8 (wider ones are narrowed)."""
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
    return np.ascontiguousarray(array, dtype=_NARROW.get(array.dtype, array.dtype))


def encode_scalars(run: str, seq: int, steps: Sequence[int], columns: Mapping[str, Sequence[float]]) -> bytes:
    """One scalars frame: `step` int64 (n,), and a float32 (n,) per name, NaN where none was measured."""
    with np.errstate(over="ignore"):  # a loss of 1e39 is infinite in float32, and shown as such
        arrays = {name: np.asarray(v, np.float64).astype(np.float32) for name, v in columns.items()}
    return encode_columns(run, seq, np.asarray(steps, np.int64), arrays)


def encode_columns(run: str, seq: int, steps: np.ndarray, columns: Mapping[str, np.ndarray]) -> bytes:
    """One scalars frame from arrays: `steps` int64 (n,), and float32 (n,) columns."""
    last = str(steps[-1]) if len(steps) else "-1"
    return save({"step": steps, **columns}, {"type": "scalars", "run": run, "seq": str(seq), "step": last})


def encode_buckets(run: str, seq: int, step: int, width: int, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Scalars in buckets of `width` steps, the last of which is `step`, as the store keeps them."""
    metadata = {"type": "buckets", "run": run, "seq": str(seq), "step": str(step), "width": str(width)}
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)


def encode_picture(run: str, seq: int, step: int, panel: str, picture: Picture) -> bytes:
    """One panel frame."""
    arrays, rest = split(picture)
    metadata = {"type": "panel", "run": run, "seq": str(seq), "step": str(step)}
    metadata |= {"panel": panel, "kind": picture.kind, "meta": json.dumps(rest, ensure_ascii=False)}
    return save({name: to_numpy(value) for name, value in arrays.items()}, metadata)


def encode_sweep(
    run: str, seq: int, step: int, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], *, final: bool
) -> bytes:
    """One frame of a sweep from `step`. `arrays`: `losses` (S, K, n), NaN where there is none; steps `taken`
    (K,), and which `diverged` (K,).
    """
    metadata = {"type": "sweep", "run": run, "seq": str(seq), "step": str(step), "final": str(int(final))}
    metadata["meta"] = json.dumps(meta, ensure_ascii=False)
    return save({name: to_numpy(value) for name, value in arrays.items()}, metadata)


def metadata_of(data: bytes) -> dict[str, str]:
    """The metadata in a frame's header."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found: dict[str, str] = header.get("__metadata__", {})
    return found


def decode(data: bytes) -> Frame:
    """The frame in `data`. Raises `safetensors.SafetensorError` or `ValueError` on anything else."""
    arrays = load_arrays(data)
    metadata = metadata_of(data)
    if "type" not in metadata:
        raise ValueError("invalid frame: it has no metadata")
    return Frame(
        type=metadata["type"],
        run=metadata["run"],
        seq=int(metadata["seq"]),
        step=int(metadata["step"]),
        arrays=arrays,
        panel=metadata.get("panel", ""),
        kind=metadata.get("kind", ""),
        meta=json.loads(metadata["meta"]) if "meta" in metadata else None,
    )
