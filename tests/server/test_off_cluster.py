"""A server whose Ray cluster cannot be reached: its runs train on its own machine, and say so."""

import asyncio
import json

import pytest

from descent.runs.manager import RunManager
from descent.settings import Settings
from descent.workers.executor import executor_of

NOBODY = "127.0.0.1:1"  # nothing listens there
pytestmark = pytest.mark.slow


async def ended(tmp_path, **how):
    settings = Settings(home=tmp_path, executor="ray", ray_address=NOBODY, idle_pause=0, **how)
    manager = RunManager(settings, executor := executor_of(settings))
    await manager.start()
    run = manager.create("neural-playground", {}, seed=3, max_steps=50)
    async with asyncio.timeout(60):
        while not run.ended:
            await asyncio.sleep(0.01)
    entries = [json.loads(entry.data) for entry in run.channel.tape.after(0) if not entry.binary]
    told = [event for event in entries if event["type"] == "diagnosis"]
    status, reason, step = run.status, run.reason, run.step
    await manager.close()
    executor.close()
    return status, reason, step, told


async def test_its_runs_train_here_and_say_so(tmp_path, caplog):
    status, reason, step, told = await ended(tmp_path)
    assert (status, step) == ("finished", 50), reason
    assert [(one["code"], one["step"]) for one in told] == [("not-on-cluster", 0)]
    assert "a run trains on this machine" in caplog.text


async def test_where_they_must_not_they_fail(tmp_path):
    status, reason, step, told = await ended(tmp_path, ray_else_local=False)
    assert (status, step, told) == ("failed", 0, [])
    assert "Ray" in reason
