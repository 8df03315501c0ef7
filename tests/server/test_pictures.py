"""Uploaded pictures: what becomes of them, and a clear refusal of all that is none."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from descent.web.pictures import LARGEST
from descent.workers.picture import MOST_PIXELS, NotDecoded, pixels_of

RED = np.full((20, 20, 3), (255, 0, 0), np.uint8)


def file_of(picture: Any, format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, format, **options)
    return file.getvalue()


def grid(text: str, rows: int, columns: int) -> np.ndarray:
    return np.array([int(digit, 16) for digit in text]).reshape(rows, columns, 3)


def bomb(width: int, height: int) -> bytes:
    """A PNG of zeros whose header promises more than anyone can hold, zipped to little."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj(9)
    rows = squeeze.compress(bytes(1 << 20)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# --- what becomes of a picture


def test_a_picture_is_shown_whole_on_a_ground_of_its_edges_colour() -> None:
    wide = np.full((10, 40, 3), (255, 255, 0), np.uint8)
    wide[2:8, 10:30] = 0
    found = grid(pixels_of(file_of(wide), 8, 8), 8, 8)
    assert (found[[0, 1, 2, 5, 6, 7]] == (15, 15, 0)).all()
    assert (found[3:5, 3:5].sum(-1) < 20).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_colours_come_through(format: str) -> None:
    assert grid(pixels_of(file_of(RED, format), 4, 4), 4, 4)[2, 2].tolist() == [15, 0, 0]


def test_what_is_transparent_becomes_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, 4:, 3] = 255  # the right half is black
    found = grid(pixels_of(file_of(clear), 8, 8), 8, 8)
    assert (found[:, :4] == 15).all()
    assert (found[:, 4:] == 0).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0] * 256)
    assert (grid(pixels_of(file_of(palette, transparency=0), 4, 4), 4, 4) == 15).all()


def test_cmyk_16_bits_and_one_bit_are_converted() -> None:
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert grid(pixels_of(file_of(ink, "JPEG"), 4, 4), 4, 4)[1, 1].tolist() == pytest.approx(
        [15, 0, 0], abs=1
    )
    deep = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    assert grid(pixels_of(file_of(deep), 4, 4), 4, 4)[1, 1].tolist() == pytest.approx([7.5] * 3, abs=0.6)
    assert (grid(pixels_of(file_of(Image.new("1", (8, 8), 1)), 4, 4), 4, 4) == 15).all()


def test_of_an_animation_it_is_the_first_picture() -> None:
    frames = [Image.fromarray(RED), Image.new("RGB", (20, 20), "blue")]
    animated = file_of(frames[0], save_all=True, append_images=frames[1:])
    assert grid(pixels_of(animated, 4, 4), 4, 4)[1, 1].tolist() == [15, 0, 0]


def test_a_photograph_stands_as_its_camera_was_held() -> None:
    upright = np.full((40, 40, 3), 255, np.uint8)
    upright[:20] = 0
    turned = Image.Exif()
    turned[0x0112] = 3  # by half a turn
    found = grid(pixels_of(file_of(upright, "JPEG", exif=turned), 4, 4), 4, 4)
    assert found[0, 0].tolist() == [15] * 3
    assert found[3, 0].tolist() == [0] * 3


# --- what is refused


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-picture"),
        (b"<html>", "no-picture"),
        (file_of(RED, "GIF"), "no-picture"),
        (file_of(RED, "BMP"), "no-picture"),
        (file_of(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))[:9000], "broken"),
        (file_of(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8), "JPEG")[:3000], "broken"),
        (bomb(60_000, 60_000), "too-many-pixels"),
        (bomb(MOST_PIXELS, 1) + b"x", "broken"),
    ],
    ids=["nothing", "a page", "a GIF", "a bitmap", "half a PNG", "half a JPEG", "a bomb", "a short bomb"],
)
def test_what_is_no_picture_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotDecoded) as caught:
        pixels_of(data, 8, 8)
    assert caught.value.reason == reason


# --- over HTTP, decoded in a process of its own


@pytest.fixture
async def api(tiny_app, tmp_path):
    app = tiny_app(home=tmp_path)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        yield client


@pytest.mark.slow
async def test_a_file_is_answered_with_its_pixels(api) -> None:
    sent = {"content": file_of(RED), "headers": {"content-type": "image/png"}}
    found = await api.post("/api/pictures?rows=4&columns=6", **sent)
    assert found.status_code == 200
    assert grid(found.json()["pixels"], 4, 6)[2, 3].tolist() == [15, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "status", "code", "reason"),
    [
        (b"nothing of the kind", 422, "bad-picture", "no-picture"),
        (bomb(60_000, 60_000), 422, "bad-picture", "too-many-pixels"),
        (bytes(LARGEST + 1), 413, "too-large", None),
    ],
    ids=["no picture", "a bomb", "too large"],
)
async def test_what_gives_no_pixels_is_a_problem_that_says_why(api, data, status, code, reason) -> None:
    found = await api.post("/api/pictures?rows=4&columns=4", content=data)
    assert found.status_code == status
    assert (found.json()["code"], found.json()["params"].get("reason")) == (code, reason)


@pytest.mark.parametrize("asked", ["", "?rows=0&columns=4", "?rows=4&columns=97"])
async def test_so_many_pixels_are_answered_and_no_more(api, asked: str) -> None:
    found = await api.post(f"/api/pictures{asked}", content=file_of(RED))
    assert found.status_code == 422
    assert found.json()["field"] in ("rows", "columns")
