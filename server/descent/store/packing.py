"""Compression of stored data, with a checksum: damage is noticed when it is read."""

from __future__ import annotations

import io
import threading
from typing import BinaryIO

import zstandard

LEVEL = 1  # 500 MB/s; pictures shrink to a third, weights hardly at any level
LARGEST = 1 << 30  # bytes that a packed value may unpack to

_local = threading.local()


class DamagedError(ValueError):
    """Stored data is damaged."""


def pack(data: bytes) -> bytes:
    """Compressed `data`."""
    packed: bytes = _compressor().compress(data)
    return packed


def pack_file(file: BinaryIO) -> bytes:
    """The compressed content of `file`, which is read from its beginning, a piece at a time."""
    size = file.seek(0, 2)
    file.seek(0)
    out = io.BytesIO()
    _compressor().copy_stream(file, out, size=size)
    return out.getvalue()


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(LEVEL, write_checksum=True, write_content_size=True)
    found: zstandard.ZstdCompressor = _local.compressor
    return found


def unpack(packed: bytes) -> bytes:
    """The data that was packed. Raises `DamagedError`."""
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor()
    try:
        if zstandard.get_frame_parameters(packed).content_size > LARGEST:
            raise DamagedError(f"it would unpack to more than {LARGEST} bytes")
        data: bytes = _local.decompressor.decompress(packed)
    except zstandard.ZstdError as error:
        raise DamagedError(str(error)) from error
    return data
