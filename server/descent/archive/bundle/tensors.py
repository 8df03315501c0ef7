"""A safetensors file read where it lies: its header is checked, its tensors are read a stretch at a time.

So a file that unpacks to hundreds of megabytes takes no more memory than what is looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

LARGEST_HEADER = 16 << 20
ITEM = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}  # bytes


@dataclass(frozen=True)
class Tensor:
    """One tensor: its type as safetensors calls it, its shape, and where it begins in the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * ITEM[self.dtype]


class TensorFile:
    """The tensors of a file by name, and the `metadata` of its header."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises `ValueError`, `KeyError` or `TypeError` where it is no whole safetensors file."""
        self._file = file
        end = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(end - 8, LARGEST_HEADER):
            raise ValueError(f"its header would have {length} bytes")
        header = json.loads(file.read(length), object_pairs_hook=_once)
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        if not all(isinstance(said, str) for said in self.metadata.values()):
            raise ValueError("its metadata is no text")
        at = 8 + length
        self.tensors: dict[str, Tensor] = {}
        for name, said in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            shape = tuple(said["shape"])
            if not all(type(side) is int and side >= 0 for side in shape):
                raise ValueError(f"{name} has the shape {shape}"[:200])
            found = self.tensors[name] = Tensor(said["dtype"], shape, at)
            if said["data_offsets"] != [at - 8 - length, at - 8 - length + found.size]:
                raise ValueError(f"{name} is not where the one before ends"[:200])
            at += found.size
        if at != end:
            raise ValueError(f"it has {end - at} bytes that are no tensor's")

    def stretches(self, names: list[str], size: int) -> Iterator[dict[str, np.ndarray]]:
        """`size` items at a time of tensors that are int64 or float32, (n,) each."""
        (count,) = self.tensors[names[0]].shape
        for first in range(0, count, size):
            yield {name: self._stretch(self.tensors[name], first, min(size, count - first)) for name in names}

    def _stretch(self, tensor: Tensor, first: int, count: int) -> np.ndarray:
        item = ITEM[tensor.dtype]
        self._file.seek(tensor.begin + first * item)
        return np.frombuffer(self._file.read(count * item), {"I64": "<i8", "F32": "<f4"}[tensor.dtype])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it says something twice")
    return found
