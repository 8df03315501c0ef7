import contextlib
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from descent.store import packing
from descent.store.packing import DamagedError, pack, unpack

SOMETHING = random.Random(0).randbytes(300) + bytes(5000)


@given(st.binary(max_size=5000))
def test_what_is_unpacked_is_what_was_packed(data):
    assert unpack(pack(data)) == data


def test_what_repeats_shrinks():
    assert len(pack(bytes(100_000))) < 100


@given(place=st.integers(0, len(pack(SOMETHING)) - 1), byte=st.integers(1, 255))
def test_a_byte_that_changed_is_noticed_or_does_not_matter(place, byte):
    packed = bytearray(pack(SOMETHING))
    packed[place] ^= byte
    with contextlib.suppress(DamagedError):
        assert unpack(bytes(packed)) == SOMETHING


@given(kept=st.integers(0, len(pack(SOMETHING)) - 1))
def test_what_was_cut_off_is_noticed(kept):
    with pytest.raises(DamagedError):
        unpack(pack(SOMETHING)[:kept])


def test_a_changed_byte_of_the_data_is_noticed():
    packed = bytearray(pack(SOMETHING))
    packed[50] ^= 1
    with pytest.raises(DamagedError):
        unpack(bytes(packed))


def test_what_would_fill_the_memory_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(packing, "LARGEST", 1000)
    assert unpack(pack(bytes(1000))) == bytes(1000)
    for packed in (pack(bytes(1001)), zstandard.ZstdCompressor(write_content_size=False).compress(b"1")):
        with pytest.raises(DamagedError, match="more than 1000 bytes"):
            unpack(packed)
