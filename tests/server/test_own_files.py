"""Files that learners bring: kept by what is in them, checked when they come, bounded, and read by runs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from descent.contract import KnobError
from descent.datasets.own import OwnFiles
from descent.errors import BadFile, UnknownFile
from descent.experiments.sequence.da_rnn import DualStage
from descent.experiments.sequence.lstm_cells import LSTMCells
from descent.kit.data.columns import own_table
from descent.kit.data.own import own_place
from descent.kit.data.text import SHOWN, load
from descent.workers.own_file import problem_of

pytestmark = pytest.mark.slow

PROSE = "Down the rabbit hole, said the cat; and never once looked back. "
TABLE = "날짜,기온,습도\n" + "".join(
    f"2024-{1 + day // 28:02}-{1 + day % 28:02},{day % 9},{day % 7}\n" for day in range(300)
)


@pytest.fixture
def files(tmp_path: Path) -> OwnFiles:
    return OwnFiles(tmp_path, most=3)


# The library


def test_a_file_is_named_after_what_is_in_it_and_listed_newest_first(files: OwnFiles, tmp_path: Path) -> None:
    one = files.add("alice.txt", "text", PROSE.encode())
    other = files.add("weather.csv", "table", TABLE.encode("cp949"))
    assert one.id == hashlib.sha256(PROSE.encode()).hexdigest()[:32]
    assert [file.id for file in files.all()] == [other.id, one.id]
    assert own_place(one.id, [tmp_path / "nowhere", tmp_path], "file").read_bytes() == PROSE.encode()
    again = files.add("carroll.txt", "text", PROSE.encode())
    assert again.id == one.id
    assert [file.name for file in files.all()] == ["carroll.txt", "weather.csv"]
    files.remove(one.id)
    assert [file.id for file in files.all()] == [other.id]
    assert {path.name for path in (tmp_path / "own").iterdir()} == {other.id, f"{other.id}.json"}


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("text", b"", "empty-file"),
        ("text", b"\xef\xbb\xbf \n", "empty-file"),
        ("text", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\2\3\4\5\6\7", "no-text"),
        ("table", b"", "empty-file"),
        ("table", b"a,b\n1,x\n", None),
    ],
)
def test_what_is_no_such_thing_is_told_with_a_reason(kind: Any, content: bytes, reason: str | None) -> None:
    problem = problem_of(content, kind)
    assert problem["params"].get("reason") == reason
    assert problem["message"]
    assert problem_of(TABLE.encode("utf-16"), kind) == {}


def test_a_table_that_cannot_be_read_names_row_and_column() -> None:
    problem = problem_of("날짜,기온\n2024-01-01,3\n2024-01-02,맑음\n".encode("cp949"), "table")
    assert problem["detail"].startswith("row 3, column “기온”: “맑음” is no number")


def test_no_more_files_are_kept_than_the_settings_allow(files: OwnFiles) -> None:
    for n in range(3):
        files.add(f"{n}", "text", f"{n} {PROSE}".encode())
    with pytest.raises(BadFile) as caught:
        files.add("3", "text", b"one more")
    assert caught.value.problem()["params"] == {"reason": "too-many", "most": 3}
    files.add("2 again", "text", f"2 {PROSE}".encode())  # what is there already takes no more room
    assert len(files.all()) == 3


def test_a_file_that_cannot_be_written_leaves_nothing(
    files: OwnFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = OwnFiles._write

    def full(self: OwnFiles, name: str, content: bytes) -> None:
        if name.endswith(".preview"):
            raise OSError("No space left on device")
        write(self, name, content)

    monkeypatch.setattr(OwnFiles, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        files.add("alice.txt", "text", PROSE.encode(), {"text": PROSE})
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.parametrize("id", ["..", "../../etc/passwd", "a" * 31, "A" * 32, "", "0" * 32])
def test_an_id_is_a_digest_and_no_path(files: OwnFiles, tmp_path: Path, id: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "..x").write_text("secret")
    with pytest.raises(UnknownFile):
        files.remove(id)
    with pytest.raises(KnobError) as caught:
        own_place(id, [tmp_path], "file")
    assert caught.value.params["reason"] == ("file-gone" if id else "no-file")


def test_a_name_is_shown_as_plain_text_of_some_length(files: OwnFiles) -> None:
    assert files.add("a\n\u202eb\0c" + 500 * "x", "text", PROSE.encode()).name.startswith("a b cx")
    assert len(files.all()[0].name) == 120


def test_what_is_damaged_or_foreign_in_the_folder_is_left_out(files: OwnFiles, tmp_path: Path) -> None:
    one = files.add("alice.txt", "text", PROSE.encode())
    for name, text in (("x.json", "{"), (f"{'0' * 32}.json", '{"id": 1}'), ("y.json", "[]")):
        (tmp_path / "own" / name).write_text(text)
    assert files.all() == [one]


# What experiments make of them


def test_a_text_of_megabytes_is_read_whole(files: OwnFiles, tmp_path: Path) -> None:
    one = files.add("long.txt", "text", (PROSE * 40_000).encode())  # 2.6 MB
    text = load("file", one.id, [tmp_path])
    assert len(text.train) + len(text.held_out) == len(PROSE) * 40_000
    assert len(text.shown) == SHOWN


def test_a_text_in_koreas_old_encoding_is_read(files: OwnFiles, tmp_path: Path) -> None:
    one = files.add("note.txt", "text", ("경사하강법은 기울기를 따라 내려간다. " * 600).encode("cp949"))
    assert "경사하강법은" in load("file", one.id, [tmp_path]).shown


def test_a_short_text_is_refused_at_the_knob(files: OwnFiles, tmp_path: Path) -> None:
    one = files.add("short.txt", "text", PROSE.encode())
    with pytest.raises(KnobError, match=f"its {len(PROSE)} characters are too few") as caught:
        load("file", one.id, [tmp_path])
    assert caught.value.knob == "file"


# Over REST


@pytest.fixture
def client(own_server: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own_server.url, timeout=60) as client:
        yield client


def brought(client: httpx.Client, name: str, kind: str, content: bytes) -> str:
    answer = client.post("/api/files", params={"name": name, "kind": kind}, content=content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def finished(client: httpx.Client, experiment: str, knobs: dict[str, Any]) -> str:
    run = client.post("/api/runs", json={"experiment": experiment, "knobs": knobs, "max_steps": 3})
    assert run.status_code == 201, run.text
    at = f"/api/runs/{run.json()['id']}"
    while (status := client.get(at).json()["status"]) not in ("finished", "failed"):
        threading.Event().wait(0.05)
    assert status == "finished"
    return at


@pytest.mark.slow
def test_a_run_trains_on_a_file_and_cannot_be_gone_back_to_without_it(client: httpx.Client) -> None:
    def refused(path: str, body: dict[str, Any], reason: str) -> bool:
        answer = client.post(path, json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (422, "bad-knob", "file")
        return bool(problem["params"]["reason"] == reason)

    text = brought(client, "long.txt", "text", (PROSE * 300).encode())
    table = brought(client, "weather.csv", "table", TABLE.encode("cp949"))
    assert {file["name"] for file in client.get("/api/files").json()} == {"long.txt", "weather.csv"}
    knobs = {"corpus": "file", "file": text}
    run = finished(client, "lstm-cells", knobs)
    finished(client, "gpt", knobs)
    finished(client, "da-rnn", {"dataset": "file", "file": table, "target": "기온"})
    branch = {"step": 2, "knobs": {"lr": 0.01}}
    assert client.post(f"{run}/branch", json=branch).status_code == 201
    assert client.delete(f"/api/files/{text}").status_code == 204
    assert refused(f"{run}/branch", branch, "file-gone")
    assert refused("/api/runs", {"experiment": "lstm-cells", "knobs": knobs}, "file-gone")
    assert refused("/api/runs", {"experiment": "lstm-cells", "knobs": {"corpus": "file"}}, "no-file")
    assert client.delete(f"/api/files/{text}").json()["code"] == "unknown-file"
    # A file that the choice of text makes idle is not needed.
    finished(client, "lstm-cells", {"corpus": "brackets", "file": text})


@pytest.mark.slow
def test_columns_of_a_table_are_trained_on_or_refused_at_their_knob(client: httpx.Client) -> None:
    rows = "".join(f"{n},{n % 9},{'네' if n > 20 else '아니요'}\n" for n in range(40))
    file = brought(client, "설문.csv", "table", ("나이,점수,답\n" + rows).encode("cp949"))
    finished(client, "neural-playground", {"dataset": "file", "file": file, "label_column": "답"})
    one = {"x1_column": "나이", "x2_column": "나이", "label_column": "점수"}
    finished(client, "neural-playground", {"dataset": "file-regression", "file": file, **one})
    finished(client, "linear-regression", {"data": "file", "file": file})

    bad = {"data": "file", "file": file, "x_column": "답"}
    run = client.post("/api/runs", json={"experiment": "linear-regression", "knobs": bad}).json()
    while (told := client.get(f"/api/runs/{run['id']}").json())["status"] != "failed":
        threading.Event().wait(0.05)
    assert "column “답” holds words, no numbers; choose one of “나이”, “점수”" in told["reason"]
    assert client.delete(f"/api/files/{file}").status_code == 204
    answer = client.post("/api/runs", json={"experiment": "linear-regression", "knobs": bad}).json()
    assert (answer["code"], answer["field"]) == ("bad-knob", "file")


def test_a_refusal_says_why_and_a_file_too_large_is_not_read(client: httpx.Client) -> None:
    params = {"name": "a.csv", "kind": "table"}
    problem = client.post("/api/files", params=params, content=b"a,b\n1,x\n").json()
    assert (problem["code"], problem["params"]["row"], problem["params"]["name"]) == ("bad-file", 2, "b")
    assert client.get("/api/files").json() == []
    large = client.post("/api/files", params=params, content=b"1" * (17 << 20))
    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    assert client.post("/api/files", params={"name": "a", "kind": "zip"}, content=b"x").status_code == 422
    assert client.post("/api/files", params=params, headers={"Origin": "http://x.org"}).status_code == 403
    assert client.get("/api/files").json() == []


def test_a_table_read_otherwise_is_another_file(client: httpx.Client) -> None:
    table = b"day,place,code\n2024-01-02,Seoul,1\n2024-01-01,Busan,2\n"
    file = brought(client, "codes.csv", "table", table)

    def retyped(**types: str) -> httpx.Response:
        return client.post(f"/api/files/{file}/types", json={"types": types})

    def types_in(id: str) -> dict[str, str]:
        columns = client.get(f"/api/files/{id}/preview").json()["columns"]
        return {column["name"]: column["type"] for column in columns}

    refused = retyped(place="number")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad-file")
    assert {name: refused.json()["params"][name] for name in ("row", "name", "cell")} == {
        "row": 2,
        "name": "place",
        "cell": "Seoul",
    }
    assert "“Seoul” is no date" in retyped(place="date").json()["detail"]
    assert "cannot both be dates" in retyped(place="date", day="date").json()["detail"]
    assert "no column “town”" in retyped(town="words").json()["detail"]
    assert retyped(place="category").status_code == 422
    assert len(client.get("/api/files").json()) == 1

    assert retyped(code="words").status_code == 422  # no column of numbers is left

    file = brought(client, "more.csv", "table", b"day,code,x\n2024-01-02,1,5\n2024-01-01,2,6\n")
    other = retyped(code="words", day="words").json()
    assert other["id"] != file
    assert (other["name"], other["types"]) == ("more.csv", {"code": "words", "day": "words"})
    assert types_in(file) == {"day": "date", "code": "number", "x": "number"}
    assert types_in(other["id"]) == {"day": "words", "code": "words", "x": "number"}
    text = brought(client, "long.txt", "text", PROSE.encode())
    problem = client.post(f"/api/files/{text}/types", json={"types": {"a": "words"}}).json()
    assert (problem["code"], problem["params"]["reason"]) == ("bad-file", "no-table")
    for one in client.get("/api/files").json():
        assert client.delete(f"/api/files/{one['id']}").status_code == 204


def test_an_experiment_reads_a_table_as_it_was_told(files: OwnFiles, tmp_path: Path) -> None:
    content = b"day,code,x\n2024-01-02,1,5\n2024-01-01,2,6\n"
    plain = files.add("a.csv", "table", content)
    told = files.add("a.csv", "table", content, types={"code": "words"})
    assert files.add("b.csv", "table", content, types={"code": "words"}).id == told.id != plain.id
    files.rename(told.id, "c.csv")
    assert own_table(plain.id, [tmp_path]).roles == {"code": "number", "x": "number", "day": "date"}
    table = own_table(told.id, [tmp_path])
    assert table.roles == {"x": "number", "code": "words", "day": "date"}
    assert table.words["code"] == ["2", "1"]  # in the order of the days


def test_the_knobs_that_take_a_file_say_of_which_kind() -> None:
    for cls, kind in ((LSTMCells, "text"), (DualStage, "table")):
        schema = cls.knobs_type.model_json_schema()["properties"]["file"]
        assert schema["x-own"] == kind
