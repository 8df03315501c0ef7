"""What a run's process may take of the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from test_processes import workers_of

from conftest import serving
from descent.registry import experiments
from descent.workers.bounds import NICENESS, is_lacking_memory, largest, of_memory

ENOUGH = 300.0  # seconds


def knobs_of(id: str, **values: Any) -> Any:
    return experiments()[id].knobs_type(**values)


@pytest.mark.parametrize(
    ("id", "values", "knob"),
    [
        ("gpt", {}, None),
        ("gpt", {"batch_size": 1}, None),
        ("gpt", {"top_k": 100}, None),  # a look: it trains no other model
        ("gpt", {"batch_size": 64, "d_model": 192}, "d_model"),
        ("neural-playground", {"hidden": [8, 8, 8], "batch_size": 11}, "hidden"),
    ],
)
def test_the_knob_that_was_turned_up_most_is_to_blame(id: str, values: Any, knob: str | None) -> None:
    assert largest(knobs_of(id, **values)) == knob


def test_what_torch_asked_for_is_said() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50)
    assert is_lacking_memory(raised.value)
    reason, refused = of_memory(raised.value, knobs_of("gpt"), 100)
    assert reason.startswith("a run may take 100 MiB of memory (setting RUN_MB), and 4294967296 MiB more")
    assert refused is None
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has …")
    _, refused = of_memory(full, knobs_of("gpt", d_model=192), 0)
    assert refused is not None
    assert refused.knob == "d_model"
    assert refused.params == {"reason": "gpu-memory", "most": 0, "asked": 1536}
    metal = RuntimeError(
        "MPS backend out of memory (MPS allocated: 5.56 GB, other allocations: 1.10 GB, max allowed: 6.80 "
        "GB). Tried to allocate 768.00 MB on private pool. Use PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 to …"
    )
    assert is_lacking_memory(metal)
    said, refused = of_memory(metal, knobs_of("gpt", d_model=192), 0)
    assert said == "d_model: 192 is too large: the GPU's memory is full, and 768 MiB more were asked for"
    assert refused is not None
    assert refused.params == {"reason": "gpu-memory", "most": 0, "asked": 768}
    shared = RuntimeError("MPS backend out of memory (…). Tried to allocate 256 bytes on shared pool.")
    assert of_memory(shared, knobs_of("gpt"), 0) == ("the GPU's memory is full", None)
    assert not is_lacking_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.slow
def test_a_run_too_large_for_its_share_fails_in_a_sentence_and_others_train_on(tmp_path: Path) -> None:
    def until(path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        latest = time.monotonic() + ENOUGH
        while not holds(found := api.get(path).json()):
            assert time.monotonic() < latest, found
            time.sleep(0.05)
        return dict(found)

    def begun(experiment: str, **knobs: object) -> str:
        run = api.post("/api/runs", json={"experiment": experiment, "knobs": knobs}).json()
        return f"/api/runs/{run['id']}"

    with serving(tmp_path, "--run-mb=64") as server, httpx.Client(base_url=server.url, timeout=60) as api:
        other = begun("neural-playground")
        until(other, lambda run: run["step"] > 0)
        (worker,) = workers_of(server)
        assert os.getpriority(os.PRIO_PROCESS, worker) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
        large = until(begun("gpt", batch_size=128, d_model=192), lambda run: run["status"] == "failed")
        assert "batch_size: 128 is too large: a run may take 64 MiB of memory" in large["reason"]
        here = api.get(other).json()
        assert here["status"] == "running"
        until(other, lambda run: run["step"] > here["step"])
