"""What all tests share: one event loop, and one thread for torch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("descent", deadline=None)  # speed belongs to the benches
settings.load_profile("descent")


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test writes where the user's own runs are recorded."""
    monkeypatch.setenv("DESCENT_HOME", str(tmp_path))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
