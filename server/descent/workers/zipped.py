"""Pictures in a zip file, folders as classes: found, decoded and brought to one size, in a process apart.

Nothing is unpacked to a disk. Names are only read: the last folder of each is the class.
"""

from __future__ import annotations

import contextlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from descent.contract import KnobError
from descent.kit.data.own_images import (
    MOST_CLASSES,
    MOST_OWN_PICTURES,
    NO_PICTURES,
    OWN_SIDE,
    OwnImages,
    check_counts,
)

ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
MOST_ENTRIES = 20_000
MOST_BYTES = 64 << 20  # of a picture's file
MOST_UNPACKED = 512 << 20  # bytes of all
MOST_PIXELS = 60_000_000  # of a picture; more than a phone's camera takes
LOOSE = "pictures"  # the class of those in no folder

NO_ZIP = "this is no zip file, or it is broken; zip the folders anew"
MANY_ENTRIES = "the zip file has {have} entries; leave {most} at most"
BAD_NAME = "the zip file has an entry “{name}”, which leads out of it; zip the folders anew"
NO_PLAIN_FILE = "“{name}” is a link or no plain file; put the picture itself there"
LOCKED = "“{name}” is encrypted or packed in an unusual way; zip the folders anew, without a password"
TOO_LARGE = "the zip file unpacks to more than {most} MB; use smaller pictures, or fewer"
NOT_DECODED = "“{name}” is no whole PNG or JPEG; save it again, or leave it out"
TOO_MANY_PIXELS = "“{name}” has {width} × {height} pixels; make it smaller"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)


def read_zip(content: bytes, knob: str) -> OwnImages:
    """The pictures in a zip file. Raises `KnobError` for `knob`, which names the entry that is at fault."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        found = _pictures(archive, knob)
    except _BROKEN as error:
        if isinstance(error, KnobError):
            raise
        raise KnobError(knob, NO_ZIP, reason="no-zip") from error
    names = sorted({label for _, label in found})
    check_counts({name: sum(label == name for _, label in found) for name in names}, knob)
    pixels = np.empty((len(found), OWN_SIDE, OWN_SIDE, 3), np.uint8)
    left = MOST_UNPACKED
    for place, (entry, _) in enumerate(found):
        data = _content(archive, entry, min(left, MOST_BYTES), knob)
        left -= len(data)
        pixels[place] = _decoded(data, entry.filename, knob)
    labels = torch.tensor([names.index(label) for _, label in found])
    return OwnImages(torch.from_numpy(pixels).movedim(-1, 1), labels, tuple(names))


def _pictures(archive: zipfile.ZipFile, knob: str) -> list[tuple[zipfile.ZipInfo, str]]:
    """The entries with pictures, and the class of each; every entry is checked."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise KnobError(knob, MANY_ENTRIES, reason="many-entries", have=len(entries), most=MOST_ENTRIES)
    found = [(entry, _class_of(path)) for entry, path in _checked(entries, knob) if _is_picture(path)]
    if not found:
        raise KnobError(knob, NO_PICTURES, reason="no-pictures")
    check = {label for _, label in found}
    if len(found) > MOST_OWN_PICTURES or len(check) > MOST_CLASSES:
        check_counts({label: sum(one == label for _, one in found) for label in check}, knob)
    return sorted(found, key=lambda one: (one[1], one[0].filename))


def _checked(entries: list[zipfile.ZipInfo], knob: str) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    for entry in entries:
        name = _name_of(entry)
        shown = printable(name)
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0] or "\0" in name:
            raise KnobError(knob, BAD_NAME, reason="bad-name", name=shown)
        if entry.is_dir():
            continue
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise KnobError(knob, NO_PLAIN_FILE, reason="no-plain-file", name=shown)
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise KnobError(knob, LOCKED, reason="locked", name=shown)
        yield entry, path


def _name_of(entry: zipfile.ZipInfo) -> str:
    """The name of an entry; without the mark of UTF-8 it may be that, or as Windows writes it in Korea."""
    if not entry.flag_bits & 0x800:
        for encoding in ("utf-8", "cp949"):
            with contextlib.suppress(UnicodeError):
                return entry.filename.encode("cp437").decode(encoding)
    return entry.filename


def _is_picture(path: PurePosixPath) -> bool:
    """Whether it is called like a picture, and is not what a Mac adds."""
    return path.suffix.lower() in ENDINGS and "__MACOSX" not in path.parts and path.name[0] != "."


def _class_of(path: PurePosixPath) -> str:
    return printable(path.parent.name)[:40].strip() or LOOSE


def printable(name: str) -> str:
    """A name as plain text of one line: what cannot be printed is left out."""
    return "".join(sign for sign in name if sign.isprintable())[:100]


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, knob: str) -> bytes:
    """What an entry unpacks to, whatever its header says."""
    with archive.open(entry) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise KnobError(knob, TOO_LARGE, reason="too-large", most=MOST_UNPACKED >> 20)
    return data


def _decoded(data: bytes, name: str, knob: str) -> np.ndarray:
    """The middle square of a picture, upright, (OWN_SIDE, OWN_SIDE, 3). What is transparent becomes white."""
    shown = printable(name)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            width, height = file.size
            if width * height > MOST_PIXELS:
                raise KnobError(
                    knob, TOO_MANY_PIXELS, reason="many-pixels", name=shown, width=width, height=height
                )
            file.draft("RGB", (4 * OWN_SIDE, 4 * OWN_SIDE))  # a JPEG is decoded at a fraction of its size
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # 16 bits
                picture = picture.point(lambda value: value / 256).convert("L")
            picture = picture.convert("RGBA")
    except Image.DecompressionBombError as error:
        raise KnobError(
            knob, TOO_MANY_PIXELS, reason="many-pixels", name=shown, width="?", height="?"
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, EOFError, IndexError, ValueError) as error:
        if isinstance(error, KnobError):
            raise
        raise KnobError(knob, NOT_DECODED, reason="not-decoded", name=shown) from error
    paper = Image.new("RGBA", picture.size, "white")
    plain = Image.alpha_composite(paper, picture).convert("RGB")
    return np.asarray(ImageOps.fit(plain, (OWN_SIDE, OWN_SIDE), Image.Resampling.LANCZOS))
