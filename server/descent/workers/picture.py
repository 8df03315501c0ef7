"""Decodes a picture that someone uploaded, in a process of its own: what goes wrong in a decoder stays there.

    python -m descent.workers.picture ROWS COLUMNS < file

It writes JSON: `pixels`, or the `reason` why there are none. The process may take so much memory and time.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 60_000_000  # more than a phone's camera takes; decoded, some 250 MB
MEMORY = 1 << 30  # bytes
SECONDS = 15  # of the processor
FORMATS = ("PNG", "JPEG")


class NotDecoded(Exception):
    """A file that gives no picture; the arguments are the reason, and values for the sentence about it."""

    def __init__(self, reason: str, **params: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.params = params


def pixels_of(data: bytes, rows: int, columns: int) -> str:
    """The whole picture on a ground of its edge's colour: a hexadecimal digit each for red, green and blue.

    Of an animation it is the first picture; what is transparent becomes white. Raises `NotDecoded`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            width, height = file.size
            if width * height > MOST_PIXELS:
                raise NotDecoded("too-many-pixels", width=width, height=height, most=MOST_PIXELS)
            file.draft("RGB", (8 * columns, 8 * rows))  # a JPEG is decoded at a fraction of its size
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # 16 bits
                picture = picture.point(lambda value: value / 256).convert("L")
            picture = picture.convert("RGBA")
    except UnidentifiedImageError as error:
        raise NotDecoded("no-picture") from error
    except Image.DecompressionBombError as error:
        raise NotDecoded("too-many-pixels", most=MOST_PIXELS) from error
    except MemoryError as error:
        raise NotDecoded("too-much") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
        raise NotDecoded("broken") from error
    paper = Image.new("RGBA", picture.size, "white")
    shown = Image.alpha_composite(paper, picture).convert("RGB")
    fitted = ImageOps.pad(shown, (columns, rows), Image.Resampling.BOX, color=_edge(shown))
    return "".join(f"{(value * 15 + 127) // 255:x}" for value in fitted.tobytes())


def _edge(picture: Image.Image) -> tuple[int, ...]:
    """The colour along the edge: the median of each channel."""
    last = 15
    small = picture.resize((last + 1, last + 1), Image.Resampling.BOX)
    edge = [(x, y) for x in range(last + 1) for y in range(last + 1) if {x, y} & {0, last}]
    channels = zip(*(small.getpixel(place) for place in edge), strict=True)
    return tuple(sorted(channel)[len(edge) // 2] for channel in channels)


def main() -> None:
    """Read a file, write what came of it."""
    with contextlib.suppress(ImportError):  # there is no such limit on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    rows, columns = map(int, sys.argv[1:])
    try:
        found: dict[str, Any] = {"pixels": pixels_of(sys.stdin.buffer.read(), rows, columns)}
    except NotDecoded as error:
        found = {"reason": error.reason, "params": error.params}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
