"""Data sets are fetched from a server on this machine, which serves files made here, often badly."""

from __future__ import annotations

import gzip
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from typer.testing import CliRunner

from descent.cli.main import cli
from descent.contract import KnobError
from descent.datasets import download
from descent.datasets.catalogue import CATALOGUE
from descent.datasets.shelf import Shelf
from descent.errors import FetchFailed, UnknownData
from descent.kit.data.images import labelled_images
from descent.kit.data.sets import FILES, TITLES, located
from descent.settings import Settings
from filehost import (
    CIFAR,
    IDX,
    TEXT,
    Answer,
    Tap,
    Web,
    breaking,
    deaf_to_ranges,
    idx,
    leading_to,
    longer,
    of_another_length,
    of_another_part,
    of_other_bytes,
    tarred,
    well,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))
    web = Web()
    yield web
    web.close()


@pytest.fixture
def shelf(web: Web, tmp_path: Path) -> Shelf:
    return Shelf(Settings(home=tmp_path), web.catalogue)


def fetched(shelf: Shelf, name: str) -> list[int]:
    """Fetch it; how many bytes there were, as it was told."""
    told: list[int] = []
    shelf.fetch(shelf.find(name), told.append, threading.Event())
    return told


def left(tmp_path: Path) -> set[str]:
    """All files below the home that are no locks."""
    return {
        path.relative_to(tmp_path / "data").as_posix()
        for path in (tmp_path / "data").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_the_catalogue_has_every_set_that_the_kit_reads_with_all_of_its_files() -> None:
    assert set(CATALOGUE) == set(FILES) == set(TITLES)
    for name, one in CATALOGUE.items():
        assert set(one.kept) == set(FILES[name])
        for file in one.files:
            assert file.url.startswith(("https://", "http://"))
            assert file.url.endswith(f"/{file.name}")
            assert len(file.checksum) == len("sha256:") + 64
            assert sum(file.holds.values()) == 0 or sum(file.holds.values()) > file.size


def test_a_text_is_fetched_and_counted(shelf: Shelf, tmp_path: Path) -> None:
    told = fetched(shelf, "tiny-shakespeare")
    assert told == sorted(told)
    assert told[-1] == len(TEXT)
    assert left(tmp_path) == {"tiny-shakespeare/input.txt"}
    assert (tmp_path / "data/tiny-shakespeare/input.txt").read_bytes() == TEXT
    assert shelf.place(shelf.find("tiny-shakespeare")) == "fetched"


def test_zipped_files_are_unpacked_and_read_as_pictures(shelf: Shelf, tmp_path: Path) -> None:
    fetched(shelf, "mnist")
    assert left(tmp_path) == {f"mnist/{name}" for name in IDX}
    found = labelled_images("mnist", Settings(home=tmp_path).data_folders)
    assert found.shape == (1, 28, 28)
    assert (len(found.train), len(found.test)) == (20, 10)
    assert bytes(found.train.flatten().tolist()) == IDX["train-images-idx3-ubyte"][16:]
    assert found.test_labels.tolist() == list(range(10))


def test_a_folder_with_one_split_gives_its_last_fifth_for_testing(tmp_path: Path) -> None:
    for name in FILES["mnist"][2:]:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(IDX[name]))
    found = labelled_images("mnist", [tmp_path])
    assert (len(found.train), len(found.test)) == (8, 2)
    assert torch.cat([found.train_labels, found.test_labels]).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("t10k-labels-idx1-ubyte", IDX["t10k-labels-idx1-ubyte"][:-1], "expected 10 bytes for its shape"),
        ("t10k-labels-idx1-ubyte", idx(10)[:-1] + b"\x0a", "expected labels 0 to 9, got 10"),
        ("t10k-images-idx3-ubyte", idx(9, 28, 28), "got 10 for 9 images"),
        ("t10k-images-idx3-ubyte", b"<html>sign in</html>", "got a web page"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_refused_at_the_knob(
    tmp_path: Path, name: str, data: bytes, sentence: str
) -> None:
    for file in FILES["mnist"][2:]:
        (tmp_path / file).write_bytes(IDX[file])
    (tmp_path / name).write_bytes(data)
    with pytest.raises(KnobError, match=rf"MNIST cannot be read: .*{sentence}") as caught:
        labelled_images("mnist", [tmp_path])
    assert (caught.value.knob, caught.value.params["reason"]) == ("dataset", "bad-data")


def test_an_archive_gives_its_known_members_and_no_others(shelf: Shelf, tmp_path: Path) -> None:
    fetched(shelf, "cifar-10")
    assert left(tmp_path) == {f"cifar-10/{name}" for name in CIFAR}
    found = labelled_images("cifar-10", Settings(home=tmp_path).data_folders)
    assert found.train_labels.tolist() == [0, 1, 2, 3, 4]
    assert found.train.shape == (5, 3, 32, 32)


def test_after_a_broken_line_it_goes_on_where_it_was(web: Web, shelf: Shelf, tmp_path: Path) -> None:
    web.handler.answers += [breaking, breaking]
    fetched(shelf, "tiny-shakespeare")
    third = len(TEXT) // 3
    begins = [0, third, third + (len(TEXT) - third) // 3]
    assert web.handler.asked == [("/input.txt", f"bytes={begin}-" if begin else "") for begin in begins]
    assert (tmp_path / "data/tiny-shakespeare/input.txt").read_bytes() == TEXT


def test_what_has_come_is_no_data_and_is_gone_on_from_the_next_time(
    web: Web, shelf: Shelf, tmp_path: Path
) -> None:
    web.handler.answers += [breaking] * 4
    one = shelf.find("tiny-shakespeare")
    with pytest.raises(FetchFailed, match="fetch again to go on from there") as caught:
        fetched(shelf, one.name)
    assert caught.value.params["reason"] == "broken"
    begun = shelf.begun(one)
    assert len(TEXT) / 2 < begun < len(TEXT)
    assert left(tmp_path) == {"tiny-shakespeare.part/input.txt.part"}
    assert shelf.place(one) == "absent"
    assert located(one.name, Settings(home=tmp_path).data_folders) is None
    web.handler.asked.clear()
    fetched(shelf, one.name)
    assert web.handler.asked == [("/input.txt", f"bytes={begun}-")]
    assert left(tmp_path) == {"tiny-shakespeare/input.txt"}


def test_a_server_that_cannot_resume_is_asked_for_all_of_it(web: Web, shelf: Shelf, tmp_path: Path) -> None:
    web.handler.answers += [breaking, deaf_to_ranges]
    fetched(shelf, "tiny-shakespeare")
    assert (tmp_path / "data/tiny-shakespeare/input.txt").read_bytes() == TEXT


def test_a_set_of_several_files_keeps_those_that_are_whole(web: Web, shelf: Shelf) -> None:
    web.handler.answers += [well, breaking, breaking, breaking, breaking]
    with pytest.raises(FetchFailed, match="go on from there"):
        fetched(shelf, "mnist")
    web.handler.asked.clear()
    told = fetched(shelf, "mnist")
    assert [path for path, _ in web.handler.asked] == [f"/{name}.gz" for name in FILES["mnist"][1:]]
    assert told[-1] == shelf.find("mnist").size


@pytest.mark.parametrize(
    ("answer", "reason", "sentence"),
    [
        (longer, "wrong-size", f"more where {len(TEXT)} bytes were expected"),
        (of_another_length, "wrong-size", f"{len(TEXT) - 1} bytes where {len(TEXT)} bytes were expected"),
        (of_another_part, "wrong-size", "another part"),
        (of_other_bytes, "wrong-file", "its checksum differs"),
        (leading_to("http://example.org/input.txt"), "redirected", "it is not HTTPS"),
        (leading_to("file:///etc/passwd"), "redirected", "it is not HTTPS"),
        (lambda handler, data: handler.send(503, b"busy"), "refused", "answered 503 for input.txt"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_do_and_nothing_is_left(
    web: Web, shelf: Shelf, tmp_path: Path, answer: Answer, reason: str, sentence: str
) -> None:
    web.handler.answers.append(answer)
    with pytest.raises(FetchFailed) as caught:
        fetched(shelf, "tiny-shakespeare")
    assert caught.value.params["reason"] == reason
    assert sentence in caught.value.detail
    assert "DESCENT_DATA_MIRROR" in caught.value.detail
    assert left(tmp_path) == set()
    assert shelf.place(shelf.find("tiny-shakespeare")) == "absent"


def test_redirects_within_this_machine_are_followed_but_not_without_end(web: Web, shelf: Shelf) -> None:
    web.handler.answers.append(leading_to("/input.txt"))
    fetched(shelf, "tiny-shakespeare")
    shelf.remove(shelf.find("tiny-shakespeare"))
    web.handler.answers += [leading_to("/input.txt")] * 50
    with pytest.raises(FetchFailed, match="no end to it"):
        fetched(shelf, "tiny-shakespeare")
    assert len(web.handler.answers) == 50 - download.REDIRECTS


def test_a_file_that_is_not_there_names_it(web: Web, shelf: Shelf) -> None:
    del web.handler.files["/input.txt"]
    with pytest.raises(FetchFailed, match=r"answered 404 for input\.txt; try again later, or name a mirror"):
        fetched(shelf, "tiny-shakespeare")


def test_offline_it_says_what_to_do(web: Web, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    shelf = Shelf(Settings(home=tmp_path, data_mirror=f"http://127.0.0.1:{port}"), web.catalogue)
    with pytest.raises(
        FetchFailed, match=r"cannot be reached .*refused.*check this machine's connection"
    ) as caught:
        fetched(shelf, "tiny-shakespeare")
    assert caught.value.params["reason"] == "offline"
    assert left(tmp_path) == set()


def test_a_zip_bomb_is_not_unpacked(web: Web, tmp_path: Path) -> None:
    name, data = "train-images-idx3-ubyte", bytes(50_000_000)
    bomb = replace(web.file(f"{name}.gz", gzip.compress(data)), holds={name: 1000})
    shelf = Shelf(Settings(home=tmp_path), {"mnist": web.of("mnist", bomb)})
    with pytest.raises(FetchFailed, match="unpacks to more than it should"):
        fetched(shelf, "mnist")
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"a/data_batch_1.bin": b"right", "big": bytes(20_000_000)}, "more than it should"),
        ({"a/data_batch_1.bin": b"longer than known"}, "got more"),
        ({"a/data_batch_1.bin": b"x"}, "expected 5 bytes"),
        ({"../data_batch_1.bin": b"right"}, "is not in it"),
    ],
)
def test_an_archive_with_other_members_is_refused(
    web: Web, tmp_path: Path, members: dict[str, bytes], sentence: str
) -> None:
    file = replace(web.file("x.tar.gz", tarred(members)), holds={"a/data_batch_1.bin": 5})
    shelf = Shelf(Settings(home=tmp_path), {"cifar-10": web.of("cifar-10", file)})
    with pytest.raises(FetchFailed, match=sentence):
        fetched(shelf, "cifar-10")
    assert left(tmp_path) == set()


def test_a_mirror_is_asked_in_place_of_the_usual_address(web: Web, tmp_path: Path) -> None:
    far = replace(web.catalogue["tiny-shakespeare"].files[0], url="https://example.invalid/input.txt")
    web.handler.files["/mirror/tiny-shakespeare/input.txt"] = TEXT
    catalogue = {"tiny-shakespeare": web.of("tiny-shakespeare", far)}
    shelf = Shelf(Settings(home=tmp_path, data_mirror=f"{web.url}/mirror/"), catalogue)
    fetched(shelf, "tiny-shakespeare")
    assert web.handler.asked == [("/mirror/tiny-shakespeare/input.txt", "")]


def test_a_full_disk_is_noticed_before_anything_comes(
    web: Web, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("descent.datasets.shelf.shutil.disk_usage", lambda _: usage)
    with pytest.raises(FetchFailed, match="make room"):
        fetched(shelf, "mnist")
    assert web.handler.asked == []


def test_a_home_that_is_no_folder_is_named(web: Web, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(FetchFailed, match="could not be written to"):
        fetched(Shelf(Settings(home=tmp_path), web.catalogue), "mnist")


def test_ones_own_folder_goes_first_and_is_never_deleted(web: Web, tmp_path: Path) -> None:
    own = tmp_path / "own" / "tiny-shakespeare"
    own.mkdir(parents=True)
    (own / "input.txt").write_text("mine")
    settings = Settings(home=tmp_path, data=tmp_path / "own")
    shelf = Shelf(settings, web.catalogue)
    one = shelf.find("tiny-shakespeare")
    assert shelf.place(one) == "own"
    assert fetched(shelf, one.name) == []
    shelf.remove(one)
    assert (own / "input.txt").read_text() == "mine"
    assert located(one.name, settings.data_folders) == own


def test_removing_deletes_a_set_and_what_an_interrupted_fetch_left(
    web: Web, shelf: Shelf, tmp_path: Path
) -> None:
    fetched(shelf, "mnist")
    web.handler.answers += [breaking] * 4
    with pytest.raises(FetchFailed):
        fetched(shelf, "tiny-shakespeare")
    for one in shelf.catalogue.values():
        shelf.remove(one)
    assert left(tmp_path) == set()


def test_only_known_names_are_sets(shelf: Shelf) -> None:
    for name in ("https://example.org", "../mnist", "mnist/../..", ""):
        with pytest.raises(UnknownData, match="there are tiny-shakespeare, mnist, cifar-10"):
            shelf.find(name)


# Over REST


@pytest.fixture
def client(web: Web, live_server: Callable[..., str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server(web.catalogue, record=False), timeout=20) as client:
        yield client


def state(client: httpx.Client, name: str) -> dict[str, Any]:
    return next(one for one in client.get("/api/data").json() if one["name"] == name)


def awaited(client: httpx.Client, name: str, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The set's description once it is as wished; the test's own limit ends the wait."""
    while not met(found := state(client, name)):
        threading.Event().wait(0.01)
    return found


def test_the_list_says_size_licence_and_where_each_set_is(client: httpx.Client) -> None:
    assert state(client, "tiny-shakespeare") == {
        "name": "tiny-shakespeare",
        "title": "Tiny Shakespeare",
        "state": "absent",
        "size": len(TEXT),
        "done": 0,
        "licence": "MIT",
        "citation": "Somebody (2000).",
        "home": "https://example.org",
        "problem": None,
    }


def test_a_fetch_goes_on_in_the_background_and_everybody_sees_how_far_it_is(
    web: Web, client: httpx.Client
) -> None:
    tap = Tap()
    web.handler.answers.append(tap)
    assert client.post("/api/data/tiny-shakespeare/fetch").status_code == 202
    awaited(client, "tiny-shakespeare", lambda one: one["done"] >= 1000)
    again = client.post("/api/data/tiny-shakespeare/fetch")  # it is on its way
    assert (again.status_code, again.json()["state"]) == (202, "fetching")
    tap.opened.set()
    awaited(client, "tiny-shakespeare", lambda one: one["state"] == "fetched")
    assert len(web.handler.asked) == 1
    assert client.delete("/api/data/tiny-shakespeare").json()["state"] == "absent"


def test_a_cancelled_fetch_leaves_nothing(web: Web, client: httpx.Client, tmp_path: Path) -> None:
    tap = Tap()
    web.handler.answers.append(tap)
    client.post("/api/data/tiny-shakespeare/fetch")
    awaited(client, "tiny-shakespeare", lambda one: one["done"] >= 1000)
    found = client.delete("/api/data/tiny-shakespeare/fetch").json()
    assert (found["state"], found["done"], found["problem"]) == ("absent", 0, None)
    assert left(tmp_path) == set()


def test_a_failed_fetch_says_why_until_the_next(web: Web, client: httpx.Client) -> None:
    web.handler.answers.append(of_other_bytes)
    client.post("/api/data/tiny-shakespeare/fetch")
    problem = awaited(client, "tiny-shakespeare", lambda one: one["problem"] is not None)["problem"]
    assert (problem["code"], problem["params"]["reason"]) == ("fetch-failed", "wrong-file")
    client.post("/api/data/tiny-shakespeare/fetch")
    assert awaited(client, "tiny-shakespeare", lambda one: one["state"] == "fetched")["problem"] is None


def test_a_client_names_a_known_set_and_never_an_address(web: Web, client: httpx.Client) -> None:
    for name in ("nonsense", "http%3A%2F%2Fexample.org", "..", "%2e%2e"):
        assert client.post(f"/api/data/{name}/fetch").status_code in (404, 405)
    answer = client.post("/api/data/nonsense/fetch").json()
    assert (answer["code"], answer["field"]) == ("unknown-data", "name")
    assert web.handler.asked == []


@pytest.mark.slow
def test_a_run_that_asks_for_a_set_that_is_not_there_is_refused_until_it_is(
    own_server: Any, tmp_path: Path
) -> None:
    def refused(path: str, body: dict[str, Any]) -> bool:
        answer = client.post(path, json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (422, "bad-knob", "dataset")
        assert "fetch it here or with `descent data fetch mnist`" in problem["detail"]
        names = {"reason": "no-data", "title": "MNIST", "name": "mnist"}
        return names.items() <= problem["params"].items()

    def finished(knobs: dict[str, Any]) -> str:
        run = client.post("/api/runs", json={"experiment": "mlp-digits", "knobs": knobs, "max_steps": 3})
        at = f"/api/runs/{run.json()['id']}"
        while client.get(at).json()["status"] != "finished":
            threading.Event().wait(0.05)
        return at

    place, knobs = tmp_path / "data" / "mnist", {"dataset": "mnist"}
    with httpx.Client(base_url=own_server.url, timeout=60) as client:
        assert refused("/api/runs", {"experiment": "mlp-digits", "knobs": knobs})
        assert client.get("/api/runs").json() == []
        place.mkdir(parents=True)
        for name, data in IDX.items():
            (place / name).write_bytes(data)
        run, plain = finished(knobs), finished({})
        assert client.post(f"{run}/branch", json={"step": 2, "knobs": {"lr": 0.01}}).status_code == 201
        sweep = {"step": 2, "knob": "lr", "values": [0.1], "steps": 1}
        assert client.post(f"{run}/sweep", json=sweep).status_code == 200
        shutil.rmtree(place)
        assert refused(f"{run}/sweep", sweep)
        assert refused(f"{run}/branch", {"step": 2, "knobs": {"lr": 0.01}})
        assert refused(f"{plain}/branch", {"step": 2, "knobs": knobs})


def test_pages_of_other_sites_cannot_make_the_server_fetch(web: Web, client: httpx.Client) -> None:
    for headers in ({"Origin": "http://example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/api/data/mnist/fetch", headers=headers).status_code == 403
        assert client.delete("/api/data/mnist", headers=headers).status_code == 403
    assert web.handler.asked == []


# On the command line


def invoke(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        cli, ["data", *arguments], env={"COLUMNS": "200", "TERM": "dumb", **environment}
    )
    return result.exit_code, result.output


@pytest.fixture
def on_the_shelf(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The command finds the test's catalogue; its home."""
    monkeypatch.setattr(Shelf.__init__, "__defaults__", (web.catalogue,))
    monkeypatch.setenv("DESCENT_HOME", str(tmp_path))
    return tmp_path


def test_the_list_has_every_set_with_its_licence_and_citation(tmp_path: Path) -> None:
    code, output = invoke("list", DESCENT_HOME=str(tmp_path))
    assert code == 0
    for one in CATALOGUE.values():
        assert one.name in output
        assert (one.licence or "none stated") in output
        assert one.citation.split(".")[0] in output


def test_sets_are_fetched_listed_and_deleted(on_the_shelf: Path) -> None:
    code, output = invoke("fetch", "tiny-shakespeare", "mnist")
    assert code == 0, output
    assert "licence: MIT" in output
    assert "fetched" in invoke("list")[1]
    assert "there already" in invoke("fetch", "mnist")[1]
    assert invoke("rm", "tiny-shakespeare", "mnist")[0] == 0
    assert left(on_the_shelf) == set()


def test_what_goes_wrong_is_said_and_the_others_are_fetched(web: Web, on_the_shelf: Path) -> None:
    web.handler.answers.append(of_other_bytes)
    code, output = invoke("fetch", "tiny-shakespeare", "mnist")
    assert code == 1
    assert "checksum differs" in output
    assert left(on_the_shelf) == {f"mnist/{name}" for name in IDX}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fetch", "there is no data set 'imagenet'; there are"),
        ("rm", "there is no data set, and no file, called 'imagenet'; see `descent data list`"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_happens(
    web: Web, on_the_shelf: Path, command: str, said: str
) -> None:
    code, output = invoke(command, "mnist", "imagenet")
    assert code == 2
    assert said in output
    assert web.handler.asked == []


def test_a_mirror_that_is_no_address_is_refused() -> None:
    code, output = invoke("fetch", "mnist", "--mirror", "ftp://example.org")
    assert code == 2
    assert "setting data_mirror" in output
