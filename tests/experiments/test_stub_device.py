"""Which experiments can train on a device without float64, as Apple's: tried on a stub, in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stub_device
from descent.registry import experiments

pytestmark = pytest.mark.contract

TESTS = Path(__file__).parents[1]


def tried(*ids: str) -> dict[str, dict[str, str]]:
    """What failed of each experiment on the stub; see on_stub.py."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", str(TESTS / "experiments" / "on_stub.py"), *ids],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    found: dict[str, dict[str, str]] = {}
    for line in told.stdout.splitlines():
        found |= json.loads(line)
    assert found.keys() == set(ids), told.stderr[-2000:]
    return found


def test_all_but_those_that_are_known_to_need_float64_train_and_are_seen_without_it() -> None:
    found = tried(*(id for id in experiments() if id not in stub_device.UNFIT))
    training = {id for id, failed in found.items() if failed.get("", "").startswith("float64")}
    assert training == stub_device.NEED_FLOAT64
    assert {id: failed for id, failed in found.items() if failed and id not in training} == {}


def test_the_documentation_names_those_that_need_float64() -> None:
    text = (TESTS.parent / "docs" / "devices.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("These compute in float64"))
    assert set(line.split("`")[1::2]) == stub_device.NEED_FLOAT64


def test_the_names_are_of_experiments() -> None:
    assert stub_device.NEED_FLOAT64 | stub_device.UNFIT.keys() <= experiments().keys()
