"""Where a process cannot be forked, a server starts and its runs train all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Windows has neither of these; what else there is to it, this cannot show.
WITHOUT_FORK = """
import os, sys
import filelock  # which has other means there

for name in ("multiprocessing.forkserver", "fcntl", "termios", "resource", "pwd"):
    sys.modules[name] = None
del os.fork

import asyncio, httpx
from pathlib import Path
from descent.web.app import create_app
from descent.workers import forks
from descent.settings import Settings


async def main():
    app = create_app(Settings(home=Path(sys.argv[1])))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as api,
    ):
        asked = {"experiment": "linear-regression", "paused": True}
        run = (await api.post("/api/runs", json=asked)).json()
        path = f"/api/runs/{run['id']}"
        await (await app.state.manager.get(run["id"])).ready.wait()
        changed = await api.patch(path, json={"knobs": {"lr": 0.02}})
        assert changed.status_code == 200, changed.text
        assert (await api.post(f"{path}/step", json={"steps": 5})).status_code == 200
        while (await app.state.manager.get(run["id"])).step < 5:
            await asyncio.sleep(0)
        stopped = await api.post(f"{path}/stop")
        assert stopped.status_code == 200, stopped.text
        manager = app.state.manager
        while (await manager.get(run["id"])).worker is not None:
            await asyncio.sleep(0)
        print((await api.get(path)).json()["step"], forks.FORKS)


if __name__ == "__main__":
    asyncio.run(main())
"""


def test_without_fork_a_run_trains_in_a_python_of_its_own(tmp_path):
    script = tmp_path / "without_fork.py"
    script.write_text(WITHOUT_FORK, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5", "False"]
