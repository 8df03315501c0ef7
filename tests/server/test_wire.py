"""The wire format: golden frames that the page's tests read too, alignment, and what is no frame."""

from __future__ import annotations

import importlib.util
import json
import math
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from descent.contract.panels import Heatmap, Histogram, Images
from descent.engine import schedules
from descent.wire import decode, encode_picture, encode_scalars, to_numpy

FIXTURES = Path(__file__).parents[1] / "fixtures"


def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", FIXTURES / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = load_maker()
golden = json.loads((FIXTURES / "golden.json").read_text(encoding="utf-8"))
names = sorted(golden)


def parts(data: bytes) -> tuple[dict, bytes]:
    """The JSON header and the bytes behind it."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


@pytest.mark.parametrize("name", names)
def test_todays_encoder_still_writes_the_golden_frame(name: str) -> None:
    then, now = (FIXTURES / f"{name}.safetensors").read_bytes(), maker.frames()[name]
    header_then, body_then = parts(then)
    header_now, body_now = parts(now)
    # safetensors keeps metadata in a hash map: the order of its keys, and nothing else, may differ
    assert header_now == header_then
    assert list(header_now)[1:] == list(header_then)[1:]
    assert body_now == body_then
    assert len(now) == len(then)


def test_the_schedules_that_the_pages_tests_know_are_todays() -> None:
    assert json.loads((FIXTURES / "schedules.json").read_text(encoding="utf-8")) == schedules.kinds()


def test_knobs_set_over_others_are_as_the_pages_tests_know() -> None:
    assert json.loads((FIXTURES / "merged_knobs.json").read_text(encoding="utf-8")) == maker.merges()


def test_terms_of_a_story_hold_as_the_pages_tests_know() -> None:
    assert json.loads((FIXTURES / "story_terms.json").read_text(encoding="utf-8")) == maker.story_terms()


@pytest.mark.parametrize("name", names)
def test_golden_frame_decodes_to_what_is_written_beside_it(name: str) -> None:
    assert maker.describe((FIXTURES / f"{name}.safetensors").read_bytes()) == golden[name]


@pytest.mark.parametrize("name", names)
def test_every_tensor_starts_at_a_multiple_of_its_item_size(name: str) -> None:
    data = (FIXTURES / f"{name}.safetensors").read_bytes()
    header, body = parts(data)
    size = {"I64": 8, "F32": 4, "I32": 4, "U8": 1}
    for tensor, entry in header.items():
        if tensor != "__metadata__":
            assert (len(data) - len(body) + entry["data_offsets"][0]) % size[entry["dtype"]] == 0


def test_nan_and_infinities_survive_a_scalars_frame() -> None:
    frame = decode(encode_scalars("r", 1, [3, 4, 5], {"loss": [math.nan, math.inf, -math.inf]}))
    assert np.isnan(frame.arrays["loss"][0])
    assert frame.arrays["loss"][1:].tolist() == [math.inf, -math.inf]
    assert frame.step == 5


def test_a_loss_too_large_for_float32_arrives_as_infinity() -> None:
    assert decode(encode_scalars("r", 1, [0], {"loss": [1e39]})).arrays["loss"][0] == math.inf


def test_a_pictures_arrays_are_narrowed_and_its_other_fields_are_json() -> None:
    picture = Heatmap(values=torch.eye(2, dtype=torch.float64), rows=["x", "y"], annotate=True)
    frame = decode(encode_picture("r", 2, 9, "weights", picture))
    assert frame.arrays["values"].dtype == np.float32
    assert (frame.panel, frame.kind, frame.step) == ("weights", "heatmap", 9)
    assert frame.meta is not None
    assert frame.meta["rows"] == ["x", "y"]
    assert frame.meta["annotate"] is True
    assert frame.meta["range"] is None


def test_a_heatmaps_texts_travel_with_it_one_for_each_cell() -> None:
    picture = Heatmap(values=torch.eye(2), texts=[["e", "␣"], ["t", "↵"]])
    frame = decode(encode_picture("r", 2, 9, "lens", picture))
    assert frame.meta is not None
    assert frame.meta["texts"] == [["e", "␣"], ["t", "↵"]]
    for texts in ([["e", "t"]], [["e"], ["t"]], [["e", "t"], ["a"]]):
        with pytest.raises(ValueError, match="expected 2 rows of 2"):
            Heatmap(values=torch.eye(2), texts=texts)
    Heatmap(values=torch.eye(1), texts=[["e" * Heatmap.LONGEST_TEXT]])
    with pytest.raises(ValueError, match="one has 33 characters, at most 32 are shown"):
        Heatmap(values=torch.eye(1), texts=[["e" * 33]])


def test_arrays_that_are_not_contiguous_keep_their_values() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4).transpose(1, 2)
    frame = decode(encode_picture("r", 1, 1, "p", Images(pixels=pixels)))
    assert np.array_equal(frame.arrays["pixels"], pixels.numpy())


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [(torch.float64, np.float32), (torch.int64, np.int32), (torch.bool, np.uint8), (torch.uint8, np.uint8)],
)
def test_wide_types_become_the_ones_the_page_can_view(wide: torch.dtype, narrow: type) -> None:
    assert to_numpy(torch.ones(3, dtype=wide)).dtype == narrow


@pytest.mark.parametrize("values", [torch.zeros(0), torch.tensor([math.nan, math.inf])])
def test_a_histogram_without_finite_values_is_still_a_frame(values: torch.Tensor) -> None:
    frame = decode(encode_picture("r", 1, 1, "weights", Histogram.of({"layer": values}, bins=4)))
    assert frame.arrays["counts"].tolist() == [[0, 0, 0, 0]]
    assert np.isfinite(frame.arrays["edges"]).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        b"\xff" * 8,  # a header of 2^64 − 1 bytes
        struct.pack("<Q", 100) + b"{}",  # a header longer than the frame
        struct.pack("<Q", 2) + b"no",  # a header that is no JSON
        (FIXTURES / "heatmap.safetensors").read_bytes()[:-4],  # cut off
        (FIXTURES / "heatmap.safetensors").read_bytes() + b"more",
    ],
    ids=["empty", "short", "huge header", "long header", "no JSON", "cut off", "too long"],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises((SafetensorError, ValueError)):
        decode(data)


def test_a_safetensors_file_without_a_type_is_no_frame() -> None:
    header = b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}   '
    with pytest.raises((SafetensorError, ValueError, KeyError)):
        decode(struct.pack("<Q", len(header)) + header)
