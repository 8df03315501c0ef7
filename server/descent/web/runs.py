"""Runs over REST: begin, command, read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from pydantic_core import to_json

from descent import wire
from descent.access import Person
from descent.archive.arrays import as_npz
from descent.engine.messages import Applied
from descent.errors import DescentError, NoFrame, NotPermitted
from descent.protocol import LAST_STEP, PANELS_AT_ONCE, STEPS_AT_ONCE, Device, KnobValues, RunInfo
from descent.runs.knobs import planned
from descent.runs.listing import Order, Sort
from descent.runs.manager import RunManager, no_such_run
from descent.runs.run import Run
from descent.runs.sweeps import MOST_ORDERS, MOST_STEPS, MOST_VARIANTS, SweepRequest
from descent.runs.tags import TAG_LENGTH, Tags
from descent.store.schema import ID_LENGTH, NAME_LENGTH
from descent.web.descriptions import ExperimentDescription
from descent.web.door import LEARNER, VIEWER, Asking
from descent.web.experiments import Language, describe

MOST_CHANGES = 1000  # planned for a new run
FARTHEST = 1_000_000  # step to train to at once: minutes of the fastest experiment
MOST_RUNS = 1000  # of one answer
RUNS_AT_ONCE = 200  # deleted or marked by one request: their ids fit in an address
PLANNED = 240  # points of a plan: about one every other pixel

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/api/runs", tags=["runs"], dependencies=[VIEWER])
_run_infos = TypeAdapter(list[RunInfo])
RunId = Annotated[str, StringConstraints(max_length=ID_LENGTH)]


class PlannedChange(BaseModel):
    """Live knobs to set after `step` steps."""

    model_config = ConfigDict(extra="forbid")

    step: int = Field(ge=0, le=LAST_STEP)
    knobs: KnobValues


class NewRun(BaseModel):
    """A run to train."""

    model_config = ConfigDict(extra="forbid")

    experiment: str = Field(max_length=100)
    knobs: KnobValues = {}
    seed: int = Field(0, ge=0, lt=2**32)
    device: Device = "auto"
    paused: bool = False
    max_steps: int | None = Field(None, ge=1, le=10**12)
    changes: list[PlannedChange] = Field(
        [], max_length=MOST_CHANGES, description="Made by the run itself, and recorded as usual."
    )
    until: int = Field(
        0,
        ge=0,
        le=FARTHEST,
        description="Steps to train as fast as it goes; then it goes on at its pace, or is `paused`.",
    )
    viewed: bool = Field(
        False,
        description="Whether it is made to be watched: until it is, it makes room for others.",
    )


class Changes(BaseModel):
    """New values of live knobs; the run's name, its tags, and whether it is starred."""

    model_config = ConfigDict(extra="forbid")

    knobs: KnobValues = {}
    name: str | None = Field(None, max_length=NAME_LENGTH)
    starred: bool | None = None
    tags: Tags | None = None
    shared: bool | None = Field(None, description="Whether everybody who may come in may watch it.")


class Marks(BaseModel):
    """A star set or taken away, and tags added and removed, on several runs."""

    model_config = ConfigDict(extra="forbid")

    ids: list[RunId] = Field(min_length=1, max_length=RUNS_AT_ONCE)
    starred: bool | None = None
    add_tags: Tags = []
    remove_tags: Tags = []


class BranchPoint(BaseModel):
    """The step to branch at (null: the record's end), and the knobs that differ from there."""

    model_config = ConfigDict(extra="forbid")

    step: int | None = Field(None, ge=0, le=LAST_STEP)
    knobs: KnobValues = {}
    paused: bool = False
    viewed: bool = Field(
        False,
        description="Whether it is made to be watched: until it is, it makes room for others.",
    )


class WayBackTo(BaseModel):
    """The step to go back to, and the knobs that differ from there."""

    model_config = ConfigDict(extra="forbid")

    step: int = Field(ge=0, le=LAST_STEP)
    knobs: KnobValues = {}


class PlanRequest(BaseModel):
    """A schedule to preview for a knob with the unscheduled `value`, and how many steps ahead."""

    model_config = ConfigDict(extra="forbid")

    knob: str = Field(max_length=NAME_LENGTH)
    schedule: dict[str, Any]
    value: float = Field(allow_inf_nan=False)
    steps: int = Field(ge=1, le=10**9)


class PlanResponse(BaseModel):
    """The knob's values, by steps since the schedule began."""

    step: list[int]
    value: list[float]


class SweepBody(BaseModel):
    """A sweep from a step (null: the record's end), with `steps` steps for each variant.

    `values` of the knob, or `count` of them from `low` to `high`, by default around its value. `vary`:
    values of further live knobs. `orders`: of mini-batches and noise. Every combination is a variant.
    """

    model_config = ConfigDict(extra="forbid")

    step: int | None = Field(None, ge=0, le=LAST_STEP)
    steps: int = Field(100, ge=1, le=MOST_STEPS)
    knob: str = Field("", max_length=100, description="Default: the first learning rate.")
    values: list[Any] | None = None
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)
    count: int | None = Field(None, ge=1, le=MOST_VARIANTS)
    vary: dict[str, list[Any]] = {}
    orders: int = Field(1, ge=1, le=MOST_ORDERS)


class KnobsApplied(BaseModel):
    """Knob values, and the step at which they take effect."""

    step: int
    knobs: KnobValues


class Kept(BaseModel):
    """The recorded steps of each panel's pictures, and of checkpoints."""

    frames: dict[str, list[int]]
    checkpoints: list[int]
    frames_thinned: int
    checkpoints_thinned: int


class Steps(BaseModel):
    """The number of steps to take."""

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


async def seen(run_id: str, manager: RunManager, person: Person) -> Run:
    """The run, if the person may look at it. Raises `UnknownRun` as well where they may not."""
    run = await manager.get(run_id)
    if not person.sees(run.owner, run.shared):
        raise no_such_run(run_id)
    return run


def need_command(run: Run, person: Person) -> None:
    """Raises `NotPermitted` where somebody may look at a run, and no more."""
    if not person.commands(run.owner):
        raise NotPermitted(
            "this run is somebody else's: branch it, and go on with a run of your own", "run", reason="owner"
        )


async def _run(run_id: str, manager: Manager, person: Asking) -> Run:
    return await seen(run_id, manager, person)


TheRun = Annotated[Run, Depends(_run)]


async def _own_run(run: TheRun, person: Asking) -> Run:
    need_command(run, person)
    return run


OwnRun = Annotated[Run, Depends(_own_run)]


@router.post("", status_code=201, dependencies=[LEARNER])
async def create(body: NewRun, manager: Manager, person: Asking) -> RunInfo:
    """Start a run, or queue it."""
    return manager.create(
        body.experiment,
        body.knobs,
        seed=body.seed,
        device=body.device,
        paused=body.paused,
        max_steps=body.max_steps,
        viewed=body.viewed,
        borrowed=await manager.borrow(body.experiment, body.knobs, person.sees),
        changes=[(change.step, change.knobs) for change in body.changes],
        until=body.until,
        owner=person.id,
    ).info()


@router.get("", response_model=list[RunInfo])
async def list_runs(
    manager: Manager,
    person: Asking,
    experiment: Annotated[str, Query(max_length=NAME_LENGTH)] = "",
    search: Annotated[str, Query(max_length=NAME_LENGTH)] = "",
    starred: bool = False,
    tag: Annotated[str, Query(max_length=TAG_LENGTH)] = "",
    sort: Sort = "created",
    descending: bool = True,
    lang: Literal["en", "ko"] = "en",
    limit: Annotated[int, Query(ge=1, le=MOST_RUNS)] = MOST_RUNS,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """Runs, the newest first, or sorted, as by experiments' titles in `lang` or by how many knobs differ from
    their defaults (`changes`); the header X-Total-Count says how many there are on all pages. `search` finds
    names, ids, tags, and experiments by id and by title in either language.
    """
    runs, total = await manager.list_page(
        experiment=experiment,
        search=search,
        starred=starred,
        tag=tag,
        seen_by=_only(person),
        order=Order(sort, descending, lang),
        limit=limit,
        offset=offset,
    )
    # Not validated against the model again: for a thousand runs that takes longer than all the rest.
    headers = {"X-Total-Count": str(total)}
    return Response(_run_infos.dump_json(runs), media_type="application/json", headers=headers)


@router.patch("", dependencies=[LEARNER])
async def mark(body: Marks, manager: Manager, person: Asking) -> list[RunInfo]:
    """Star several runs, or add and remove tags; answers with the runs, without ids that are unknown."""
    ids = await _owned(body.ids, manager, person)
    return await manager.mark(ids, starred=body.starred, add=body.add_tags, remove=body.remove_tags)


@router.delete("", status_code=204, dependencies=[LEARNER])
async def delete_several(
    manager: Manager,
    person: Asking,
    id: Annotated[list[RunId], Query(min_length=1, max_length=RUNS_AT_ONCE)],
) -> None:
    """End several runs and delete them; their branches stay. Unknown and others' ids are passed over."""
    await manager.delete_all(await _owned(id, manager, person))


@router.get("/tags")
async def tags(manager: Manager, person: Asking) -> list[str]:
    """Every tag that a run has."""
    return await manager.tags(_only(person))


@router.get("/{run_id}")
async def show(run: TheRun) -> RunInfo:
    """One run."""
    return run.info()


@router.delete("/{run_id}", status_code=204)
async def delete(run: OwnRun, manager: Manager) -> None:
    """End a run and delete it; its branches stay."""
    await manager.delete(run)


@router.patch("/{run_id}")
async def change(body: Changes, run: OwnRun, manager: Manager) -> KnobsApplied:
    """Set live knobs, and answer with the step at which they take effect; name, star or tag the run."""
    applied = Applied(run.step, {}, run.knobs)
    if body.knobs:
        applied = await manager.set_knobs(run, body.knobs)
    described = body.model_dump(include={"name", "starred", "tags", "shared"}, exclude_none=True)
    if described:
        await manager.describe(run, **described)
    told = {name: value for name, value in applied.changed.items() if name in body.knobs}
    return KnobsApplied(step=applied.step, knobs=told)


@router.post("/{run_id}/plan")
async def plan(body: PlanRequest, run: TheRun) -> PlanResponse:
    """Preview the values that a schedule gives a knob, without setting it."""
    steps = sorted({round(i * body.steps / PLANNED) for i in range(PLANNED + 1)})
    return PlanResponse(step=steps, value=planned(run.entry, body.knob, body.schedule, body.value, steps))


@router.post("/{run_id}/pause")
async def pause(run: OwnRun, manager: Manager) -> RunInfo:
    """Pause after the current step."""
    await manager.pause(run)
    return run.info()


@router.post("/{run_id}/resume")
async def resume(run: OwnRun, manager: Manager) -> RunInfo:
    """Resume training; an interrupted, stopped or failed run continues from the end of its record."""
    await manager.resume(run)
    return run.info()


@router.post("/{run_id}/stop")
async def stop(run: OwnRun, manager: Manager) -> RunInfo:
    """End the run."""
    await manager.stop(run)
    return run.info()


@router.post("/{run_id}/step")
async def step(run: OwnRun, manager: Manager, body: Steps | None = None) -> RunInfo:
    """Take some steps of a paused run; they may still be under way when this answers."""
    await manager.step(run, (body or Steps(steps=1)).steps)
    return run.info()


@router.post("/{run_id}/pace")
async def pace(body: StepsPerSecond, run: OwnRun, manager: Manager) -> RunInfo:
    """Limit the steps per second."""
    await manager.set_pace(run, body.steps_per_second)
    return run.info()


@router.post("/{run_id}/branch", status_code=201, dependencies=[LEARNER])
async def branch(body: BranchPoint, run: TheRun, manager: Manager, person: Asking) -> RunInfo:
    """A new run that goes on from where this one was, bit for bit on one CPU thread, but for `knobs`."""
    branch = await manager.branch(
        run,
        body.step,
        body.knobs,
        paused=body.paused,
        viewed=body.viewed,
        owner=person.id,
        sees=person.sees,
    )
    return branch.info()


@router.post("/{run_id}/keep")
async def keep(run: OwnRun, manager: Manager) -> RunInfo:
    """Have a script with its own training loop keep the state it has now."""
    await manager.scripts.keep(run)
    return run.info()


@router.post("/{run_id}/back")
async def back(body: WayBackTo, run: OwnRun, manager: Manager) -> RunInfo:
    """Have such a script put back the last state it keeps at or before a step, with some knobs changed."""
    await manager.scripts.go_back(run, body.step, body.knobs)
    return run.info()


@router.post("/{run_id}/sweep", dependencies=[LEARNER])
async def sweep(body: SweepBody, run: TheRun, manager: Manager, person: Asking) -> Response:
    """Try other values of a knob from a step of the run: frames are streamed, and disconnecting ends it.

    Each is a safetensors body after its length in four bytes, little-endian, with all losses so far. The last
    one is `final`.
    """
    order = SweepRequest(**body.model_dump(exclude={"step"}))
    frames = await manager.sweep(run, body.step, order, person.id)
    return StreamingResponse(
        _framed(frames),
        media_type="application/octet-stream",
        headers={"X-Accel-Buffering": "no"},  # a proxy does not buffer the frames
    )


@router.get("/{run_id}/family")
async def family(run: TheRun, manager: Manager, person: Asking) -> list[RunInfo]:
    """The tree of branches the run belongs to, the oldest first."""
    return [one for one in await manager.family(run) if person.sees(one.owner, one.shared)]


@router.get("/{run_id}/experiment", response_model=ExperimentDescription)
async def experiment(run: TheRun, lang: Language = "en") -> Response:
    """The experiment of the run, with its lesson; of a run's own training loop it is known only here."""
    return Response(to_json(describe(run.entry, lang)), media_type="application/json")


@router.get("/{run_id}/knobs")
async def knob_log(run: TheRun) -> list[KnobsApplied]:
    """Every change of knobs with its step, the first being the values the run began with."""
    return [KnobsApplied(step=at, knobs=values) for at, values in run.knob_log]


@router.get("/{run_id}/frames")
async def kept_frames(run: TheRun, manager: Manager) -> Kept:
    """The steps of recorded pictures and checkpoints, and how many were thinned out."""
    return Kept(**await manager.kept(run))


@router.get("/{run_id}/moment")
async def moment(
    run: TheRun,
    manager: Manager,
    step: Annotated[int, Query(ge=0, le=LAST_STEP)],
    panel: Annotated[list[str], Query(min_length=1, max_length=PANELS_AT_ONCE)],
) -> Response:
    """The last frame of each asked panel at or before `step`: each as a safetensors body, after its length in
    four bytes, little-endian. A panel without one is left out. Before a branch began it shows its parent's.
    """
    for name in panel:
        run.entry.panel(name)
    frames = await manager.frames_at(run, panel, step)
    body = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
    return Response(body, media_type="application/octet-stream")


@router.get("/{run_id}/frames/{panel}", response_class=Response)
async def frame(
    run: TheRun,
    panel: str,
    manager: Manager,
    step: Annotated[int | None, Query(ge=0, le=LAST_STEP)] = None,
    format: Literal["safetensors", "npz"] = "safetensors",
) -> Response:
    """The last frame of a panel at or before `step`, as a safetensors body; or as `npz` for NumPy, where
    beside the arrays `meta` is a string of JSON: `experiment`, `run`, `step`, `panel`, `kind`, `title`,
    `options`, and `fields`, the picture's that are no arrays.
    """
    shown = run.entry.panel(panel)
    found = await manager.frames_at(run, [panel], LAST_STEP if step is None else step)
    if not found:
        at = "" if step is None else f" at or before step {step}"
        raise NoFrame(f"panel {panel} has no frame{at}", "panel" if step is None else "step")
    content, at = found[0], wire.metadata_of(found[0])["step"]
    if format == "npz":
        content = await asyncio.to_thread(as_npz, content, shown, run.entry.id)
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "X-Step": at,
            "Content-Disposition": f'attachment; filename="{run.entry.id}-{panel}-{at}.{format}"',
        },
    )


async def _owned(ids: list[str], manager: RunManager, person: Person) -> list[str]:
    """Those of the runs that the person commands."""
    return ids if person.role == "teacher" else await manager.owned(ids, person.commands)


def _only(person: Person) -> str | None:
    """Whose runs, and those that are shared, the person sees; None for all."""
    return None if person.role == "teacher" else person.id


async def _framed(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Frames, each after its length. The response has begun: an error now goes to the log, in a line."""
    try:
        async for frame in frames:
            yield len(frame).to_bytes(4, "little") + frame
    except DescentError as error:
        logger.warning("a sweep broke off: %s", error)
