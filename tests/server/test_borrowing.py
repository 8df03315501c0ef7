"""Runs that begin from the weights of a recorded one, which are theirs for good; and what is refused."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from descent.contract import Experiment, KnobError, Knobs, Scalars, fixed, live
from descent.contract.panels import Heatmap, heatmap, scalars
from descent.engine.borrowed import MOST_BYTES, Borrowed, Origin, packed, rebuilt, unpacked
from descent.registry import Registry
from descent.web import app
from tiny import LESSONS, REGISTRY, ThreadExecutor, Tiny, entry_of

pytestmark = pytest.mark.slow

Json = dict[str, Any]


class HeirKnobs(Knobs):
    lr: float = live(0.1, name="Learning rate", help="How far a step goes.", range=(0, 10), role="rate")
    source: str = fixed("", "Source", help="A run of Tiny.", max_length=32, recorded="tiny")


class Heir(Experiment[HeirKnobs]):
    """A linear unit whose first weights are a recorded run's."""

    minutes = 5
    level = 1
    invite = "Press play."
    loss = scalars({"loss/train": "training"}, title="Loss", caption="It falls.")

    def build(self, knobs: HeirKnobs) -> None:
        self.model = nn.Linear(3, 1)
        if lent := self.lent.get("source"):
            assert lent.knobs.size == 3
            self.model.load_state_dict(lent.experiment.model[2].state_dict())
        self.optimizer = torch.optim.SGD(self.model.parameters(), knobs.lr)

    def step(self, knobs: HeirKnobs) -> Scalars:
        loss = self.model(torch.randn(8, 3)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach()}

    @heatmap(title="Weights", caption="They shrink.", size="hero")
    def weights(self, knobs: HeirKnobs) -> Heatmap:
        return Heatmap(values=self.model.weight)


class Threads(ThreadExecutor):
    async def start(self, spec: Any, *rest: Any) -> Any:
        return await ThreadExecutor({"tiny": Tiny, "heir": Heir}[spec.experiment]).start(spec, *rest)


BOTH = Registry({**REGISTRY, "heir": replace(entry_of(Heir, "heir"), lessons=LESSONS)})


def serving(tiny_settings: Any, home: Any) -> Any:
    return app.create_app(tiny_settings(home=home), registry=BOTH, executor=Threads)


class Client:
    """An app that is up, and what is asked of it."""

    def __init__(self, served: Any) -> None:
        self.app = served
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def __aenter__(self) -> Client:
        self._life = self.app.router.lifespan_context(self.app)
        await self._life.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.http.aclose()
        await self._life.__aexit__(*error)

    async def post(self, path: str, **rest: Any) -> Any:
        answer = await self.http.post(path, **rest)
        assert answer.is_success, answer.text
        return answer.json()

    async def run(self, experiment: str = "heir", steps: int = 20, **knobs: Any) -> str:
        """A run that took so many steps and ended."""
        body = {"experiment": experiment, "knobs": knobs, "seed": 3, "max_steps": steps}
        run = (await self.post("/api/runs", json=body))["id"]
        return await self.ended(run)

    async def ended(self, run: str) -> str:
        async with asyncio.timeout(20):
            while (found := (await self.http.get(f"/api/runs/{run}")).json())["status"] != "finished":
                assert found["status"] in ("queued", "starting", "running", "paused"), found
                await asyncio.sleep(0.02)
        return run

    async def lender(self) -> str:
        """A run that has a checkpoint at its last step, 20: a branch takes one at once."""
        body = {"step": 20, "paused": True}
        run = (await self.post(f"/api/runs/{await self.run('tiny')}/branch", json=body))["id"]
        history = self.app.state.manager.history
        async with asyncio.timeout(20):
            while not any(not one.panel for one in history.store.kept(run)):
                await asyncio.sleep(0.02)
                await history.recorder.flush()
        return run

    async def refused(self, source: str) -> Json:
        answer = await self.http.post("/api/runs", json={"experiment": "heir", "knobs": {"source": source}})
        assert answer.status_code == 422, answer.text
        found = answer.json()
        assert (found["code"], found["field"]) == ("bad-knob", "source")
        return found["params"]

    async def losses(self, run: str) -> list[float]:
        return (await self.http.get(f"/api/runs/{run}/scalars")).json().get("loss/train", [])

    async def branch(self, run: str, step: int, until: int) -> list[float]:
        """The losses of a branch from a step on."""
        body = {"step": step, "paused": True}
        branch = (await self.post(f"/api/runs/{run}/branch", json=body))["id"]
        await self.post(f"/api/runs/{branch}/step", json={"steps": until - step})
        async with asyncio.timeout(20):
            while len(await self.losses(branch)) < until - step:
                await asyncio.sleep(0.02)
        return await self.losses(branch)


@pytest.fixture
async def client(tiny_settings, tmp_path):
    async with Client(serving(tiny_settings, tmp_path / "home")) as one:
        yield one


async def test_a_run_begins_from_the_last_weights_of_the_one_it_names(client):
    source = await client.lender()
    heir = await client.run(source=source)
    manager = client.app.state.manager
    (borrowed,) = (await manager.get(heir)).borrowed.values()
    origin, weights = unpacked(borrowed.data)
    assert (origin.experiment, origin.seed, origin.step) == ("tiny", 3, 20)
    torch.manual_seed(3)
    last = nn.Linear(3, 1)  # the draws of `build`
    last.load_state_dict({name: weights[f"2.{name}"] for name in ("weight", "bias")})
    assert (await client.losses(heir))[0] == last(torch.randn(8, 3)).square().mean().item()
    assert (await client.losses(heir))[0] != (await client.losses(await client.run()))[0]


async def test_what_it_borrowed_is_its_own_when_the_source_is_deleted(client, tiny_settings, tmp_path):
    source = await client.lender()
    heir = await client.run(source=source)
    losses = await client.losses(heir)
    assert (await client.http.delete(f"/api/runs/{source}")).status_code == 204
    assert (await client.refused(source))["reason"] == "no-run"
    assert await client.branch(heir, 0, 20) == losses
    assert await client.branch(heir, 13, 20) == losses[13:]
    archive = (await client.http.get(f"/api/runs/{heir}/export")).content
    again = (await client.post("/api/runs/import", content=archive))["id"]
    assert await client.branch(again, 0, 20) == losses
    second = (await client.http.get(f"/api/runs/{again}/export")).content
    names = [zipfile.ZipFile(io.BytesIO(data)).namelist() for data in (archive, second)]
    assert all(f"borrowed/{source}.safetensors" in one for one in names)


async def test_what_it_borrowed_outlives_the_server(tiny_settings, tmp_path):
    async with Client(serving(tiny_settings, tmp_path)) as client:
        source = await client.lender()
        heir = await client.run(source=source)
        losses = await client.losses(heir)
        await client.http.delete(f"/api/runs/{source}")
    async with Client(serving(tiny_settings, tmp_path)) as client:
        assert await client.branch(heir, 0, 20) == losses
        store = client.app.state.manager.history.store
        assert [*store.borrowed(heir)] == [source]
        await client.http.delete(f"/api/runs/{heir}")
        assert store.borrowed(heir) == {}


async def test_a_run_that_can_lend_nothing_is_refused_at_the_knob(client, monkeypatch):
    assert (await client.refused("0" * 12))["reason"] == "no-run"
    assert (await client.refused("../x\0"))["reason"] == "no-run"
    assert (await client.refused(await client.run()))["reason"] == "other-run"
    assert (await client.refused(await client.run("tiny")))["reason"] == "no-weights"  # it took no second
    source = await client.lender()
    with monkeypatch.context() as patch:
        patch.setattr("descent.engine.borrowed.MOST_BYTES", 10)
        assert "of at most 10" in (await client.refused(source))["cause"]


async def test_a_script_says_that_it_holds_no_weights(client):
    heir = await client.run(source=await client.lender())
    answer = await client.http.get(f"/api/runs/{heir}/script")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-script")
    assert "export the run as a bundle" in answer.json()["detail"]


def rewritten(archive: bytes, name: str, data: bytes | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(out, "w") as after:
        for entry in before.namelist():
            content = data if entry == name else before.read(entry)
            if content is not None:
                after.writestr(entry, content)
    return out.getvalue()


async def test_what_a_bundle_brings_along_is_checked(client):
    source = await client.lender()
    archive = (await client.http.get(f"/api/runs/{await client.run(source=source)}/export")).content
    name = f"borrowed/{source}.safetensors"
    data = zipfile.ZipFile(io.BytesIO(archive)).read(name)
    origin, weights = unpacked(data)

    def changed(**values: Any) -> bytes:
        return save(dict(weights), {"origin": origin.model_copy(update=values).model_dump_json()})

    nan = {**weights, "2.bias": torch.tensor([torch.nan])}
    bad = {
        "missing": None,
        "pickled": b"\x80\x04.",
        "no-origin": save(dict(weights)),
        "of-another": changed(experiment="heir"),
        "bad-knobs": changed(knobs={"size": 99}),
        "bad-seed": changed(seed=-1),
        "not-finite": save(nan, {"origin": origin.model_dump_json()}),
        "huge": bytes(MOST_BYTES + 1),
    }
    for why, content in bad.items():
        answer = await client.http.post("/api/runs/import", content=rewritten(archive, name, content))
        assert answer.status_code in (413, 422), (why, answer.text)
        assert answer.json()["params"]["entry"] == name, (why, answer.text)


def lent(cls: type[Experiment[Any]] = Tiny, **weights: torch.Tensor) -> Borrowed:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1))
    origin = Origin(experiment="tiny", knobs={"size": 3}, seed=1, streams=2, step=9)
    return Borrowed(cls, save({**model.state_dict(), **weights}, {"origin": origin.model_dump_json()}))


def test_weights_of_another_shape_are_refused() -> None:
    assert rebuilt("source", lent(), torch.device("cpu"), ()).knobs.size == 3
    for weights in ({"2.weight": torch.zeros(1, 4)}, {"3.weight": torch.zeros(1)}):
        with pytest.raises(KnobError, match="do not fit its layers") as error:
            rebuilt("source", lent(**weights), torch.device("cpu"), ())
        assert (error.value.knob, error.value.params["reason"]) == ("source", "run-shape")


def test_only_the_model_is_taken_of_a_checkpoint() -> None:
    state = {
        "model": {"module": {"w": {"tensor": "model.w", "device": "cpu"}}},
        "secret": {"tensor": "secret"},
    }
    tensors = {"model.w": torch.ones(2), "secret": torch.zeros(3)}
    origin = Origin(experiment="tiny", knobs={}, seed=1, streams=2, step=9)
    data = packed(save(tensors, {"format": "1", "state": json.dumps(state)}), origin)
    assert [*load(data)] == ["w"]
    for broken in (b"", b"x" * 20, save(tensors), save(tensors, {"state": "{}"})):
        with pytest.raises(ValueError, match="holds no model"):
            packed(broken, origin)
