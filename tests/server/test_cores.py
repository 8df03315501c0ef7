"""A run has as many threads of torch's as its experiment asks for, wherever its numbers are made."""

import asyncio

import numpy as np
import pytest

from descent import wire
from descent.archive.script import Recipe, text
from descent.own.load import loaded
from descent.own.new import begin
from descent.own.places import places
from descent.registry import Registry, chapters
from descent.runs.manager import RunManager
from descent.settings import Settings
from descent.workers.process import LocalExecutor


@pytest.fixture(params=[1, 2])
def entry(request, tmp_path):
    """An experiment that asks for so many cores, and whose loss is how many threads it has."""
    begin("spiral", tmp_path / "lab", set())
    file = tmp_path / "lab" / "spiral.py"
    written = file.read_text(encoding="utf-8").replace("loss.detach()}", "float(torch.get_num_threads())}")
    asks = written.replace("    level = ", f"    cores = {request.param}\n    level = ")
    file.write_text(asks, encoding="utf-8")
    (place,) = places([tmp_path / "lab"], chapters())
    (code,) = place.read()
    return loaded(code)


async def test_a_run_has_the_threads_that_its_experiment_asks_for(entry, tmp_path):
    registry = Registry({"spiral": entry})
    manager = RunManager(Settings(home=tmp_path), LocalExecutor(), registry=registry)
    run = manager.create("spiral", {}, max_steps=3)
    async with asyncio.timeout(60):
        while not run.ended:
            await asyncio.sleep(0.01)
    assert run.status == "finished", run.reason
    frames = [wire.decode(one.data).arrays for one in run.channel.tape.after(0) if one.binary]
    assert set(np.concatenate([frame["loss/train"] for frame in frames]).tolist()) == {entry.cls.cores}
    await manager.close()
    script = text(Recipe(entry, 0, entry.knobs_type(), [], 3, ["loss/train"]))
    assert f"torch.set_num_threads({entry.cls.cores})" in script
