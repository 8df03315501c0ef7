"""Files of one's own that a bundle carries along: there and back, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import pickle
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import torch
import typer
from PIL import Image
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from descent.cli import archive as cli
from descent.contract import Experiment, Knobs, Scalars, fixed, live
from descent.contract.panels import scalars
from descent.datasets.own import OwnFiles, digest_of
from descent.kit.data.columns import own_table
from descent.kit.data.own import own_place
from descent.kit.data.own_images import unpacked
from descent.registry import Registry
from descent.settings import Settings
from descent.store.schema import CheckpointRow
from descent.store.store import Store
from descent.web.app import create_app
from descent.workers.own_file import look_through
from tiny import LESSONS, ThreadExecutor, entry_of

pytestmark = pytest.mark.slow

Json = dict[str, Any]
MIB = 1 << 20
STEPS = 40  # of a run, and of its branches

TABLE = b"day,code,x\n" + b"".join(
    b"2024-01-%02d,%d,%d.5\n" % (1 + n % 28, n % 3, n * n % 17) for n in range(60)
)
TEXT = "경사하강법은 기울기를 따라 내려간다. ".encode("cp949") * 200


class ReaderKnobs(Knobs):
    """What to read, and how fast to learn it."""

    lr: float = live(0.01, name="Learning rate", help="", range=(0, 10), role="rate")
    source: Literal["noise", "table", "text", "images", "both"] = fixed("noise", "Source", help="")
    table: str = fixed("", "Table", when={"source": ["table", "both"]}, own="table", max_length=32, help="")
    text: str = fixed("", "Text", when={"source": ["text", "both"]}, own="text", max_length=32, help="")
    images: str = fixed("", "Images", when={"source": ["images"]}, own="images", max_length=32, help="")


class Reader(Experiment[ReaderKnobs]):
    """A linear unit that learns numbers read from a file, in random batches."""

    minutes = 5
    level = 1
    invite = "Press play."
    loss = scalars({"loss/train": "training"}, title="Loss", caption="It falls.")

    def build(self, knobs: ReaderKnobs) -> None:
        self.rows = torch.cat([self.read(kind, knobs) for kind in ("table", "text", "images", "noise")])
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), knobs.lr)

    def read(self, kind: str, knobs: ReaderKnobs) -> torch.Tensor:
        """Numbers (n,) from 0 to 1 of a source of this kind, if it is chosen."""
        if knobs.source not in (kind, "both") or (knobs.source == "both" and kind not in ("table", "text")):
            return torch.zeros(0)
        if kind == "noise":
            return torch.rand(50)
        if kind == "table":
            return own_table(knobs.table, self.data).values[:, -1].float() / 20
        content = own_place(getattr(knobs, kind), self.data, kind).read_bytes()
        if kind == "images":
            return unpacked(content, kind).pixels[:, 0, 0, 0].float() / 255
        return torch.tensor(list(content)).float() / 255

    def step(self, knobs: ReaderKnobs) -> Scalars:
        self.optimizer.param_groups[0]["lr"] = knobs.lr
        at = torch.randint(len(self.rows) - 1, (8,))
        loss = (self.model(self.rows[at, None])[:, 0] - self.rows[at + 1]).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach()}


REGISTRY = Registry({"reader": replace(entry_of(Reader, "reader"), lessons=LESSONS)})


def pictures() -> bytes:
    """A zip with two folders of pictures."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, shade in (("위", 40), ("아래", 160)):
            for n in range(12):
                one = io.BytesIO()
                Image.new("RGB", (32, 32), (shade + 5 * n, 40, 60)).save(one, "PNG")
                archive.writestr(f"{name}/{n}.png", one.getvalue())
    return file.getvalue()


@contextlib.asynccontextmanager
async def served(home: Path, **settings: Any):
    """A client of a server that records in `home`."""
    app = create_app(
        Settings(home=home, **settings), registry=REGISTRY, executor=partial(ThreadExecutor, Reader)
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client,
    ):
        client.app = app
        yield client


@pytest.fixture
async def here(tmp_path):
    async with served(tmp_path / "here") as client:
        yield client


@pytest.fixture
async def there(tmp_path):
    async with served(tmp_path / "there") as client:
        yield client


async def asked(answering) -> Any:
    answer = await answering
    assert answer.is_success, answer.text
    is_json = answer.content and answer.headers["content-type"] == "application/json"
    return answer.json() if is_json else answer.content


async def finished(api, run: str) -> str:
    """The run, once it has ended by itself, and all of it is recorded."""
    async with asyncio.timeout(30):
        while (told := await asked(api.get(f"/api/runs/{run}")))["status"] != "finished":
            assert told["status"] != "failed", told
            await asyncio.sleep(0.01)
    await api.app.state.manager.recorder.flush()
    return run


async def brought(api, kind: str, content: bytes, name: str = "") -> str:
    name = name or f"my {kind}"
    if api.app.state.book is None:  # as the route does it, without the second that a process takes
        return api.app.state.files.add(name, kind, *look_through(content, kind)).id
    params = {"name": name, "kind": kind}
    return (await asked(api.post("/api/files", params=params, content=content)))["id"]


async def trained(api, **knobs: Any) -> str:
    """A run of so many steps, whose rate changes after 10."""
    body = {"experiment": "reader", "seed": 3, "knobs": knobs, "max_steps": STEPS, "device": "cpu"}
    body["changes"] = [{"step": 10, "knobs": {"lr": 0.1}}]
    return await finished(api, (await asked(api.post("/api/runs", json=body)))["id"])


async def branched(api, run: str, step: int) -> str:
    """A branch that goes on to the same step with another rate."""
    body = {"step": step, "knobs": {"lr": 0.3}}
    return await finished(api, (await asked(api.post(f"/api/runs/{run}/branch", json=body)))["id"])


async def losses_from(api, run: str, step: int) -> dict[int, float]:
    """The losses of a branch."""
    return await losses(api, await branched(api, run, step))


async def losses(api, run: str) -> dict[int, float]:
    table = await asked(api.get(f"/api/runs/{run}/scalars"))
    return dict(zip(table["step"], table["loss/train"], strict=True))


async def exported(api, run: str, **params: Any) -> bytes:
    return await asked(api.get(f"/api/runs/{run}/export", params=params))


async def imported(api, data: bytes) -> str:
    return (await asked(api.post("/api/runs/import", content=data)))["id"]


async def library(api) -> list[Json]:
    return await asked(api.get("/api/files"))


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def carried(data: bytes) -> set[str]:
    return {name for name in contents(data) if name.startswith("data/")}


def zipped(content: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return out.getvalue()


# There and back


@pytest.mark.parametrize("kind", ["table", "text", "images"])
async def test_a_run_and_its_data_go_elsewhere_and_train_on_bit_for_bit(kind, here, there):
    content = {"table": TABLE, "text": TEXT, "images": pictures()}[kind]
    file = await brought(here, kind, content, name="내 데이터")
    if kind == "table":
        types = {"types": {"code": "words", "day": "words"}}
        file = (await asked(here.post(f"/api/files/{file}/types", json=types)))["id"]
    run = await trained(here, source=kind, **{kind: file})
    data = await exported(here, run, data=True)
    assert carried(data) == {f"data/{file}", f"data/{file}.json"}

    assert await library(there) == []
    copy = await imported(there, data)
    (one,) = await library(there)
    (original,) = [found for found in await library(here) if found["id"] == file]
    same = ("id", "name", "kind", "size", "types", "own")
    assert {name: one[name] for name in same} == {name: original[name] for name in same}
    previews = [await asked(api.get(f"/api/files/{file}/preview")) for api in (here, there)]
    assert previews[0] == previews[1]

    assert await losses(there, copy) == await losses(here, run)
    for step in (5, 12):
        expected = await losses_from(here, run, step)
        assert [*expected] == [*range(step, STEPS)]
        assert await losses_from(there, copy, step) == expected
    assert carried(await exported(there, copy, data=True)) == carried(data), "and it can go on from there"


async def test_data_stays_at_home_unless_it_is_asked_for(here, there):
    run = await trained(here, source="text", text=await brought(here, "text", TEXT))
    data = await exported(here, run)
    assert carried(data) == set()
    assert TEXT not in b"".join(contents(data).values())
    copy = await imported(there, data)
    assert await library(there) == []
    refused = (await there.post(f"/api/runs/{copy}/branch", json={"step": 5})).json()
    assert (refused["code"], refused["field"]) == ("bad-knob", "text")
    assert refused["params"]["reason"] == "file-gone"
    await brought(there, "text", TEXT)
    assert await losses_from(there, copy, 5) == await losses_from(here, run, 5)


async def test_only_what_a_run_reads_goes_along(here, there):
    text = await brought(here, "text", TEXT)
    await brought(here, "table", TABLE)
    run = await trained(here, source="noise", text=text)
    data = await exported(here, run, data=True)
    assert carried(data) == set()
    copy = await imported(there, data)
    assert await losses_from(there, copy, 5) == await losses_from(here, run, 5)


async def test_a_branch_brings_the_data_of_what_led_to_it(here, there):
    files = {"table": await brought(here, "table", TABLE), "text": await brought(here, "text", TEXT)}
    run = await trained(here, source="both", **files)
    branch = await branched(here, run, 12)
    with Session(here.app.state.manager.history.store.engine) as session, session.begin():
        session.execute(delete(CheckpointRow))
    data = await exported(here, branch, data=True)
    assert json.loads(contents(data)["run.json"])["begins_at"] is None
    assert carried(data) == {f"data/{file}{end}" for file in files.values() for end in ("", ".json")}
    copy = await imported(there, data)
    assert {one["id"] for one in await library(there)} == {*files.values()}
    assert await losses_from(there, copy, 20) == await losses_from(here, branch, 20)


async def test_what_is_there_already_keeps_its_name(here, there):
    run = await trained(here, source="text", text=await brought(here, "text", TEXT, name="one"))
    await brought(there, "text", TEXT, name="other")
    before = await library(there)
    await imported(there, await exported(here, run, data=True))
    assert await library(there) == before


async def test_data_that_is_gone_is_said_to_be_and_the_run_leaves_without_it(here):
    file = await brought(here, "text", TEXT)
    run = await trained(here, source="text", text=file)
    await asked(here.delete(f"/api/files/{file}"))
    refused = await here.get(f"/api/runs/{run}/export", params={"data": True})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown-file")
    assert refused.json()["params"] == {"reason": "not-to-export"}
    assert f"the file {file}" in refused.json()["detail"]
    assert carried(await exported(here, run)) == set()


async def test_scalars_for_tensorboard_bring_no_data(here):
    run = await trained(here)
    refused = await here.get(f"/api/runs/{run}/export", params={"format": "tensorboard", "data": True})
    assert (refused.status_code, refused.json()["field"]) == (422, "data")


# What is refused


@pytest.fixture
async def bundle(here) -> dict[str, bytes]:
    """The entries of a run with a text."""
    run = await trained(here, source="text", text=await brought(here, "text", TEXT))
    return contents(await exported(here, run, data=True))


async def refused(api, content: Mapping[str, bytes]) -> Json:
    """Why a bundle is refused; it leaves no run and no file."""
    before = await library(api)
    answer = await api.post("/api/runs/import", content=zipped(content))
    assert answer.status_code in (413, 422, 507), answer.text
    assert await asked(api.get("/api/runs")) == []
    assert await library(api) == before
    return answer.json()


def note_with(content: Mapping[str, bytes], **values: Any) -> dict[str, bytes]:
    (name,) = [name for name in content if name.startswith("data/") and name.endswith(".json")]
    return {**content, name: json.dumps({**json.loads(content[name]), **values}).encode()}


def of_text(content: Mapping[str, bytes], data: bytes) -> dict[str, bytes]:
    """The same run as if it had been trained on other data, whose digest it bears throughout."""
    old, new = digest_of(TEXT).encode(), digest_of(data).encode()
    found = {
        name.replace(old.decode(), new.decode()): said.replace(old, new) for name, said in content.items()
    }
    return {**found, f"data/{new.decode()}": data}


NAME = f"data/{digest_of(TEXT)}"
BAD: dict[str, tuple[Callable[[dict[str, bytes]], Mapping[str, bytes]], str]] = {
    "another content": (lambda b: {**b, NAME: TEXT + b" "}, f"{NAME}: it is not what the run was trained on"),
    "a pickle": (lambda b: {**b, NAME: pickle.dumps([1])}, f"{NAME}: it is not what the run was trained on"),
    "a pickle of the run's digest": (lambda b: of_text(b, pickle.dumps([1])), "this is not a text"),
    "nothing": (lambda b: of_text(b, b""), "there is nothing in the file"),
    "no content": (lambda b: {n: d for n, d in b.items() if n != NAME}, f"{NAME}.json: its file is missing"),
    "no note": (
        lambda b: {n: d for n, d in b.items() if n != f"{NAME}.json"},
        f"{NAME}.json: it is missing",
    ),
    "a note that is none": (lambda b: {**b, f"{NAME}.json": b"[]"}, f"{NAME}.json: "),
    "a path in the note": (lambda b: note_with(b, path="/etc/passwd"), f"{NAME}.json: path: Extra"),
    "an endless name": (lambda b: note_with(b, name="x" * 121), f"{NAME}.json: name: "),
    "another kind": (lambda b: note_with(b, kind="table"), f"{NAME}.json: its kind is table"),
    "no kind": (lambda b: note_with(b, kind="pickle"), f"{NAME}.json: kind: "),
    "columns of a text": (lambda b: note_with(b, types={"a": "words"}), "only tables have columns"),
    "a foreign file": (
        lambda b: {**b, f"data/{'0' * 32}": TEXT, f"data/{'0' * 32}.json": b[f"{NAME}.json"]},
        f"data/{'0' * 32}: the run was not trained on it",
    ),
    "a digest in capitals": (lambda b: {**b, f"data/{'A' * 32}": TEXT}, "no entry may be called that"),
    "a folder": (lambda b: {**b, f"{NAME}/x": TEXT}, "no entry may be called that"),
    "a way out": (lambda b: {**b, f"data/../{'0' * 32}": TEXT}, "no entry may be called that"),
    "a pickle by its name": (lambda b: {**b, f"{NAME}.pkl": TEXT}, "no entry may be called that"),
}


async def test_what_is_wrong_with_data_is_named(bundle, there):
    assert NAME in bundle
    for why, (change, complaint) in BAD.items():
        problem = await refused(there, change(bundle))
        assert (problem["code"], problem["field"]) == ("bad-archive", "archive"), why
        assert complaint in problem["detail"], (why, problem["detail"])
        assert problem["params"]["entry"] in problem["detail"]
    await imported(there, zipped(bundle))


async def test_a_link_is_no_data(bundle, there):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in bundle.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((stat.S_IFLNK if name == NAME else stat.S_IFREG) | 0o644) << 16
            archive.writestr(info, data)
    problem = (await there.post("/api/runs/import", content=out.getvalue())).json()
    assert (problem["code"], problem["detail"]) == ("bad-archive", f"{NAME}: it is no plain file")
    assert await library(there) == []


async def test_a_run_that_needs_no_data_may_bring_none(here, there, bundle):
    content = contents(await exported(here, await trained(here), data=True))
    with_data = {**content, NAME: bundle[NAME], f"{NAME}.json": bundle[f"{NAME}.json"]}
    assert (await refused(there, with_data))["detail"] == f"{NAME}: the run was not trained on it"
    await imported(there, zipped(content))


async def test_tables_and_pictures_are_read_as_those_that_are_brought(here, there):
    files = {
        "table": await brought(here, "table", TABLE),
        "images": await brought(here, "images", pictures()),
    }
    for kind, (change, complaint) in {
        "table": (TABLE + b"2024-01-01,1,warm\n", "row 62, column “x”: “warm” is no number"),
        "images": (pictures(), "it is not as a library keeps it"),
    }.items():
        run = await trained(here, source=kind, **{kind: files[kind]})
        content = contents(await exported(here, run, data=True))
        old, new = files[kind], digest_of(change)
        other = {
            name.replace(old, new): said.replace(old.encode(), new.encode()) for name, said in content.items()
        }
        problem = await refused(there, {**other, f"data/{new}": change})
        assert problem["code"] == "bad-archive"
        assert complaint in problem["detail"], problem["detail"]
        if kind == "table":  # read otherwise it would be another file
            problem = await refused(there, note_with(content, types={"code": "words"}))
            assert "its digest is another one" in problem["detail"]


async def test_data_larger_than_a_file_may_be_is_refused(bundle, tmp_path):
    content = of_text(bundle, TEXT * 200)
    async with served(tmp_path / "small", own_file_mb=1) as small:
        problem = await refused(small, content)
    assert (problem["code"], problem["params"]["reason"]) == ("too-large", "carried")
    assert problem["params"]["limit"] == MIB
    assert "OWN_FILE_MB" in problem["detail"]
    async with served(tmp_path / "narrow", import_mb=1) as narrow:
        problem = await refused(narrow, content)
    assert (problem["code"], "IMPORT_MB" in problem["detail"]) == ("too-large", True)


async def test_a_full_library_is_named_and_takes_nothing(here, tmp_path):
    files = {"table": await brought(here, "table", TABLE), "text": await brought(here, "text", TEXT)}
    run = await trained(here, source="both", **files)
    content = contents(await exported(here, run, data=True))
    async with served(tmp_path / "full", own_files=2) as full:
        other = await brought(full, "text", b"some other text")
        problem = await refused(full, content)
        assert (problem["code"], problem["field"]) == ("bad-file", "archive")
        assert problem["params"] in [
            {"reason": "carried-too-many", "most": 2, "name": name} for name in ("my table", "my text")
        ]
        assert "OWN_FILES" in problem["detail"]
        names = {path.name for path in (tmp_path / "full" / "data" / "own").iterdir()}
        assert {name[:32] for name in names} == {other}
        await asked(full.delete(f"/api/files/{other}"))
        await imported(full, zipped(content))
        assert len(await library(full)) == 2
    async with served(tmp_path / "tiny", own_files=1) as tiny:
        assert "OWN_FILES" in (await refused(tiny, content))["detail"]


async def test_a_store_that_cannot_be_written_to_leaves_no_data_either(bundle, there, monkeypatch):
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    seen: list[int] = []

    def fail(*_: Any) -> None:
        seen.append(len(OwnFiles(there.app.state.settings.home / "data", 9).all()))
        raise OperationalError("INSERT", {}, full)

    monkeypatch.setattr(Store, "end_import", fail)
    assert (await refused(there, bundle))["code"] == "not-written"
    assert seen == [1], "it was there by then"


# People


async def come(api, role: str) -> httpx.AsyncClient:
    """Somebody with this role."""
    transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)
    client.app = api.app
    _, token = api.app.state.book.new_key(role)
    await asked(client.post("/api/enter", json={"key": token, "name": role}))
    return client


async def test_data_is_its_owners_and_what_is_imported_is_the_importers(tmp_path):
    async with served(tmp_path, host="0.0.0.0") as api:
        teacher, one, other, viewer = [
            await come(api, role) for role in ("teacher", "learner", "learner", "viewer")
        ]
        file = await brought(one, "text", TEXT, name="mine")
        run = await trained(one, source="text", text=file)
        assert (await other.get(f"/api/runs/{run}/export?data=true")).json()["code"] == "unknown-run"
        await asked(one.patch(f"/api/runs/{run}", json={"shared": True}))
        for somebody in (other, viewer):
            hidden = await somebody.get(f"/api/runs/{run}/export?data=true")
            assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown-file")
            assert carried(await exported(somebody, run)) == set()
        data = await exported(one, run, data=True)
        assert carried(await exported(teacher, run, data=True)) == carried(data) != set()

        # The file is somebody else's, too, once they have imported it, under the name that it has.
        assert (await viewer.post("/api/runs/import", content=data)).status_code == 403
        assert await library(other) == []
        copy = await imported(other, data)
        assert [(found["name"], found["own"]) for found in await library(other)] == [("mine", True)]
        await asked(one.delete(f"/api/files/{file}"))
        assert await library(one) == []
        assert await losses_from(other, copy, 5)

        # A teacher's import is not for everybody, as what a teacher brings is.
        await asked(other.delete(f"/api/files/{file}"))
        await imported(teacher, data)
        assert [found["id"] for found in await library(teacher)] == [file]
        assert await library(other) == []


async def test_imported_data_takes_of_a_persons_share(tmp_path, bundle):
    large = TEXT * 120  # 0.9 MB
    content = of_text(bundle, large)
    async with served(tmp_path / "shares", host="0.0.0.0", data_each_mb=1) as api:
        one, other = await come(api, "learner"), await come(api, "learner")
        await brought(one, "text", large[2:])
        problem = await refused(one, content)
        assert problem["params"] == {"reason": "carried-too-many-bytes", "megabytes": 1, "name": "my text"}
        await brought(other, "text", large)
        problem = await refused(one, content)  # also where the file is there, as somebody else's
        assert problem["params"]["reason"] == "carried-too-many-bytes"


# The terminal


async def test_data_goes_along_in_the_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr("descent.own.here.experiments", lambda: REGISTRY)
    monkeypatch.chdir(tmp_path)
    async with served(tmp_path / "here") as here:
        file = await brought(here, "text", TEXT)
        run = await trained(here, source="text", text=file)
        expected = await losses_from(here, run, 5)
    runs = typer.Typer()
    cli.register(runs)

    def invoke(*arguments: Any) -> tuple[int, str]:
        environment = {"COLUMNS": "160", "TERM": "dumb"}
        result = CliRunner().invoke(runs, [*map(str, arguments)], env=environment)
        return result.exit_code, " ".join(result.output.split())

    here_, there_ = tmp_path / "here", tmp_path / "there"
    assert invoke("export", run, "without.zip", "--home", here_)[0] == 0
    assert carried((tmp_path / "without.zip").read_bytes()) == set()
    assert invoke("export", run, "with.zip", "--data", "--home", here_) == (0, "with.zip")
    code, said = invoke("export", run, "x.zip", "--data", "--format", "tensorboard", "--home", here_)
    assert (code, "data goes along in a bundle only" in said) == (2, True)
    Store("", there_).close()
    code, copy = await asyncio.to_thread(invoke, "import", "with.zip", "--home", there_)
    assert code == 0, copy
    OwnFiles(here_ / "data", 1).remove(file)
    code, said = invoke("export", run, "y.zip", "--data", "--home", here_)
    assert (code, f"the file {file}" in said) == (1, True)
    assert not (tmp_path / "y.zip").exists()
    async with served(there_) as there:
        assert [one["id"] for one in await library(there)] == [file]
        assert await losses_from(there, copy, 5) == expected
