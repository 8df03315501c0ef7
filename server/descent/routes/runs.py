"""Runs over REST: begin, command, read."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from descent.errors import NoFrame, UnknownRun
from descent.protocol import STEPS_AT_ONCE, Device, RunInfo
from descent.runs.manager import RunManager
from descent.runs.run import Run

router = APIRouter(prefix="/api/runs", tags=["runs"])


class NewRun(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid")

    experiment: str = Field(max_length=100)
    knobs: dict[str, Any] = {}
    seed: int = Field(0, ge=0, lt=2**32)
    device: Device = "auto"
    paused: bool = False
    max_steps: int | None = Field(None, ge=1, le=10**12)


class KnobValues(BaseModel):
    """New values of live knobs."""

    model_config = ConfigDict(extra="forbid")

    knobs: dict[str, Any]


class KnobsApplied(BaseModel):
    """The step at which they take effect."""

    step: int
    knobs: dict[str, Any]


class Steps(BaseModel):
    """How many steps to take."""

    model_config = ConfigDict(extra="forbid")

    steps: int = Field(1, ge=1, le=STEPS_AT_ONCE)


class StepsPerSecond(BaseModel):
    """The pace; null: as fast as it goes."""

    model_config = ConfigDict(extra="forbid")

    steps_per_second: float | None = Field(ge=0.1, le=1e6, allow_inf_nan=False)


async def _manager(request: Request) -> RunManager:
    manager: RunManager = request.app.state.manager
    return manager


Manager = Annotated[RunManager, Depends(_manager)]


async def _run(run_id: str, manager: Manager) -> Run:
    return manager.get(run_id)


TheRun = Annotated[Run, Depends(_run)]


@router.post("", status_code=201)
async def create(body: NewRun, manager: Manager) -> RunInfo:
    """Start a run, or queue it."""
    return manager.create(
        body.experiment,
        body.knobs,
        seed=body.seed,
        device=body.device,
        paused=body.paused,
        max_steps=body.max_steps,
    ).info()


@router.get("")
async def list_runs(manager: Manager) -> list[RunInfo]:
    """All runs, the newest first."""
    return [run.info() for run in reversed(manager.runs.values())]


@router.get("/{run_id}")
async def show(run: TheRun) -> RunInfo:
    """One run."""
    return run.info()


@router.delete("/{run_id}", status_code=204)
async def delete(run: TheRun, manager: Manager) -> None:
    """End a run and forget it."""
    manager.delete(run)


@router.patch("/{run_id}")
async def set_knobs(body: KnobValues, run: TheRun, manager: Manager) -> KnobsApplied:
    """Set live knobs; answers with the step at which they take effect."""
    step = await manager.set_knobs(run, body.knobs)
    return KnobsApplied(step=step, knobs={name: run.knobs[name] for name in body.knobs})


@router.post("/{run_id}/pause")
async def pause(run: TheRun, manager: Manager) -> RunInfo:
    """Pause after the current step."""
    await manager.pause(run)
    return run.info()


@router.post("/{run_id}/resume")
async def resume(run: TheRun, manager: Manager) -> RunInfo:
    """Train on."""
    await manager.resume(run)
    return run.info()


@router.post("/{run_id}/stop")
async def stop(run: TheRun, manager: Manager) -> RunInfo:
    """End the run."""
    await manager.stop(run)
    return run.info()


@router.post("/{run_id}/step")
async def step(run: TheRun, manager: Manager, body: Steps | None = None) -> RunInfo:
    """Take some steps of a paused run; they may still be under way when this answers."""
    await manager.step(run, (body or Steps(steps=1)).steps)
    return run.info()


@router.post("/{run_id}/pace")
async def pace(body: StepsPerSecond, run: TheRun, manager: Manager) -> RunInfo:
    """Limit the steps per second."""
    await manager.set_pace(run, body.steps_per_second)
    return run.info()


@router.get("/{run_id}/knobs")
async def knob_log(run: TheRun) -> list[KnobsApplied]:
    """Every change of knobs with its step, the first being the values the run began with."""
    return [KnobsApplied(step=at, knobs=values) for at, values in run.knob_log]


@router.get("/{run_id}/scalars")
def read_scalars(run: TheRun, format: Literal["json", "csv"] = "json") -> Response:
    """All scalars so far, in columns: `step`, then one per name. Not measured: null, or an empty cell."""
    try:
        steps, columns = run.channel.tape.scalars()
    except ValueError:
        raise UnknownRun(f"run {run.id} was deleted meanwhile", "run") from None
    table = {"step": steps.tolist(), **{name: _readable(values) for name, values in columns.items()}}
    if format == "csv":
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
        return Response(out.getvalue(), media_type="text/csv")
    return Response(json.dumps(table), media_type="application/json")


@router.get("/{run_id}/frames/{panel}")
async def frame(
    run: TheRun, panel: str, manager: Manager, step: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """The last frame of a panel, if it was computed at or before `step`, as a safetensors body."""
    manager.panel(run.entry, panel)
    latest = run.channel.latest.get(panel)
    if latest is None or (step is not None and latest.step > step):
        at = "yet" if latest is None else f"at or before step {step}; the one kept is of step {latest.step}"
        raise NoFrame(f"panel {panel} has no frame {at}", "step" if latest else "panel")
    return Response(latest.data, media_type="application/octet-stream", headers={"X-Step": str(latest.step)})


def _readable(values: np.ndarray) -> list[float | None]:
    """NaN and infinity as None: JSON has no word for them."""
    return [
        value if finite else None for value, finite in zip(values.tolist(), np.isfinite(values), strict=True)
    ]
