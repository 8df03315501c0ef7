"""Pictures that learners bring in a zip file: folders are classes, and what is hostile is refused by name."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from descent.contract import KnobError
from descent.datasets.own import OwnFiles
from descent.kit.data.own_images import (
    FEWEST_OF_CLASS,
    MOST_OWN_PICTURES,
    OWN_SIDE,
    OwnImages,
    in_grey,
    own_images,
    packed,
    unpacked,
)
from descent.workers.own_file import ask, look_through, problem_of
from descent.workers.zipped import MOST_ENTRIES, read_zip

pytestmark = pytest.mark.slow

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(
    colour: tuple[int, ...], size: tuple[int, int] = (20, 20), form: str = "PNG", **rest: object
) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(file, form)
    return file.getvalue()


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def two_classes(**more: bytes) -> dict[str, bytes]:
    reds = {f"set/red/{n}.png": picture((200, n, 30)) for n in range(6)}
    return reds | {f"set/blue/{n}.jpg": picture((30, n, 200), form="JPEG") for n in range(5)} | more


def refused(content: bytes) -> dict[str, object]:
    with pytest.raises(KnobError) as caught:
        read_zip(content, "file")
    assert caught.value.knob == "file"
    return dict(caught.value.params)


def test_folders_are_classes_and_each_picture_is_of_one_size() -> None:
    images = read_zip(zipped(two_classes()), "file")
    assert images.classes == ("blue", "red")
    assert images.pixels.shape == (11, 3, OWN_SIDE, OWN_SIDE)
    assert images.labels.tolist() == [0] * 5 + [1] * 6
    assert images.pixels[0].float().mean((1, 2)).tolist() == pytest.approx([30, 0, 200], abs=3)
    assert images.pixels[-1].float().mean((1, 2)).tolist() == pytest.approx([200, 5, 30], abs=3)


def test_what_is_kept_gives_the_same_pictures_and_the_same_zip_the_same_id(tmp_path: Path) -> None:
    content = zipped(two_classes())
    images = read_zip(content, "file")
    kept = look_through(content, "images").kept
    assert kept == packed(images)
    again = unpacked(kept, "file")
    assert torch.equal(again.pixels, images.pixels)
    assert torch.equal(again.labels, images.labels)
    assert look_through(kept, "images").kept == kept
    files = OwnFiles(tmp_path, most=3)
    assert (
        files.add("a", "images", kept).id == files.add("b", "images", look_through(content, "images").kept).id
    )


def test_names_as_windows_writes_them_in_korea_are_read() -> None:
    content = zipped({f"go/xx/{n}.png": picture(RED) for n in range(FEWEST_OF_CLASS)})
    content = content.replace(b"go/xx/", "go/개/".encode("cp949") + b"/"[:0])
    assert read_zip(content, "file").classes == ("개",)


def test_a_photo_is_turned_as_its_camera_was_held() -> None:
    photo = Image.new("RGB", (40, 20), BLUE)
    photo.paste(RED, (0, 0, 20, 20))  # left half
    tag = Image.Exif()
    tag[0x0112] = 6  # to be turned clockwise
    file = io.BytesIO()
    photo.save(file, "JPEG", exif=tag, quality=95)
    images = read_zip(zipped({f"a/{n}.jpg": file.getvalue() for n in range(FEWEST_OF_CLASS)}), "file")
    top, bottom = images.pixels[0, :, 2].float().mean(1), images.pixels[0, :, -3].float().mean(1)
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]


def test_what_is_transparent_is_white_and_what_is_no_picture_left_out() -> None:
    entries = {f"a/{n}.png": picture((0, 0, 0, 0)) for n in range(FEWEST_OF_CLASS)}
    entries |= {"a/notes.txt": b"no picture", "__MACOSX/a/._0.png": b"junk", "a/.hidden.png": b"junk"}
    images = read_zip(zipped(entries), "file")
    assert images.pixels.unique().tolist() == [255]
    assert len(images.labels) == FEWEST_OF_CLASS


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "C:/x.png", "C:\\x.png"]
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    found = refused(zipped({**two_classes(), name: picture(RED)}))
    assert found["reason"] == "bad-name"


def test_a_link_is_refused() -> None:
    file = io.BytesIO(zipped(two_classes()))
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("red/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert refused(file.getvalue()) == {"reason": "no-plain-file", "name": "red/link.png"}


def test_a_hundred_thousand_files_are_refused_before_one_is_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for n in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"a/{n}.png"), b"")
    found = refused(file.getvalue())
    assert found == {"reason": "many-entries", "have": 100_000, "most": MOST_ENTRIES}
    entries = {f"a/{n}.png": b"" for n in range(MOST_OWN_PICTURES + 1)}
    assert refused(zipped(entries, zipfile.ZIP_STORED))["reason"] == "many-pictures"


def test_a_picture_that_promises_more_pixels_than_memory_is_refused() -> None:
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    found = refused(zipped({**two_classes(), "red/bomb.png": png + b"\0\0\0\0IEND\xaeB`\x82"}))
    assert (found["reason"], found["name"]) == ("many-pixels", "red/bomb.png")


def test_an_entry_that_unpacks_to_far_more_than_it_takes_is_refused() -> None:
    bomb = zipped({**two_classes(), "red/bomb.png": picture(RED) + bytes(200 << 20)})
    assert len(bomb) < 1 << 20
    assert refused(bomb)["reason"] == "too-large"


@pytest.mark.parametrize("content", [b"GIF89a" + bytes(20), b"", b"<html>", picture(RED)[:60], bytes(500)])
def test_a_png_that_is_none_is_refused_by_name(content: bytes) -> None:
    found = refused(zipped({**two_classes(), "red/liar.png": content}))
    assert found == {"reason": "not-decoded", "name": "red/liar.png"}


def test_too_few_too_many_and_no_classes_are_told() -> None:
    assert refused(zipped({"red/1.png": picture(RED)}))["reason"] == "few-pictures"
    assert refused(zipped({"a.txt": b"x"}))["reason"] == "no-pictures"
    assert refused(zipped({}))["reason"] == "no-pictures"
    many = {f"{n}/{m}.png": picture(RED) for n in range(11) for m in range(FEWEST_OF_CLASS)}
    assert refused(zipped(many))["reason"] == "many-classes"
    assert refused(b"PK\3\4 no zip")["reason"] == "no-zip"
    locked = bytearray(zipped(two_classes()))
    at = locked.index(b"PK\1\2")
    locked[at + 8] |= 1
    assert refused(bytes(locked))["reason"] == "locked"


@pytest.mark.parametrize("cut", [20, 60, 3000])
def test_what_is_kept_but_damaged_is_refused(cut: int) -> None:
    kept = packed(read_zip(zipped(two_classes()), "file"))
    with pytest.raises(KnobError):
        unpacked(kept[:-cut], "file")
    with pytest.raises(KnobError):
        unpacked(kept.replace(b'"labels": [0', b'"labels": [7'), "file")
    with pytest.raises(KnobError):
        unpacked(b'{"pictures": 1, "side": 32, "classes": ["a"], "labels": [[0]]}\n', "file")


def test_each_class_is_in_both_splits_and_no_picture_in_two(tmp_path: Path) -> None:
    labels = torch.tensor([0] * 5 + [1] * 40)
    pixels = torch.arange(45, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, OWN_SIDE, OWN_SIDE)
    kept = packed(OwnImages(pixels, labels, ("few", "many")))
    one = OwnFiles(tmp_path, most=3).add("a", "images", kept)
    found = own_images(one.id, [tmp_path], torch.Generator().manual_seed(0), classes=2)
    assert found.test_labels.bincount().tolist() == [1, 8]
    assert found.train_labels.bincount().tolist() == [4, 32]
    seen = torch.cat([found.train, found.test])[:, 0, 0, 0].tolist()
    assert sorted(seen) == list(range(45))
    same = own_images(one.id, [tmp_path], torch.Generator().manual_seed(0))
    assert torch.equal(same.test, found.test)
    grey = in_grey(found.test, 28)
    assert grey.shape == (9, 1, 28, 28)
    torch.testing.assert_close(grey[:, 0, 5, 5], found.test[:, 0, 0, 0].float(), atol=0.1, rtol=0)


def test_pictures_of_one_folder_cannot_be_told_apart(tmp_path: Path) -> None:
    kept = look_through(zipped({f"{n}.png": picture(RED) for n in range(6)}), "images").kept
    one = OwnFiles(tmp_path, most=3).add("a", "images", kept)
    assert own_images(one.id, [tmp_path], torch.Generator()).classes == ("pictures",)
    with pytest.raises(KnobError, match="one folder"):
        own_images(one.id, [tmp_path], torch.Generator(), classes=2)


def test_the_process_apart_gives_what_is_kept_and_a_preview() -> None:
    content = zipped(two_classes())
    problem, (kept, preview) = ask(content, "images")
    assert problem is None
    assert kept == packed(read_zip(content, "file"))
    assert [(one["name"], one["count"]) for one in preview["classes"]] == [("blue", 5), ("red", 6)]
    assert problem_of(zipped({**two_classes(), "../x.png": b""}), "images")["params"]["reason"] == "bad-name"
