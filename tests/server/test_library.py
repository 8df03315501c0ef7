"""The library of files on the page's side and on the command line: shown, renamed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

from descent.cli.data import data
from descent.datasets.own import OwnFiles
from descent.errors import UnknownFile

pytestmark = pytest.mark.slow

IRIS = "넓이;품종;날짜\n5,1;setosa;2024-01-01\n;setosa;2024-01-02\n6,5;virginica;2024-01-03\n"


def test_a_file_keeps_its_id_under_another_name(tmp_path: Path) -> None:
    files = OwnFiles(tmp_path, most=3)
    one = files.add("a.txt", "text", b"abc", {"text": "abc"})
    assert files.rename(one.id, " b\n.txt ").name == "b .txt"
    assert [(file.id, file.name) for file in files.all()] == [(one.id, "b .txt")]
    assert files.preview(one.id) == {"text": "abc"}
    assert files.content(one.id) == b"abc"
    files.remove(one.id)
    assert list((tmp_path / "own").iterdir()) == []
    for call in (files.find, files.content, files.preview, files.remove, lambda id: files.rename(id, "x")):
        with pytest.raises(UnknownFile):
            call(one.id)


@pytest.fixture
def client(own_server: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own_server.url, timeout=60) as client:
        yield client


@pytest.mark.slow
def test_a_preview_says_what_each_column_is(client: httpx.Client) -> None:
    params = {"name": "iris.csv", "kind": "table"}
    answer = client.post("/api/files", params=params, content=IRIS.encode("cp949"))
    id = answer.raise_for_status().json()["id"]
    found = client.get(f"/api/files/{id}/preview").json()
    assert found["rows"] == 3
    assert [(one["name"], one["type"], one["missing"]) for one in found["columns"]] == [
        ("넓이", "number", 1),
        ("품종", "words", 0),
        ("날짜", "date", 0),
    ]
    assert found["cells"][1] == ["", "setosa", "2024-01-02"]
    renamed = client.patch(f"/api/files/{id}", json={"name": "붓꽃.csv"})
    assert renamed.json()["name"] == "붓꽃.csv"
    assert client.get("/api/files").json()[0]["name"] == "붓꽃.csv"
    assert client.patch(f"/api/files/{id}", json={"name": ""}).status_code == 422
    for method, at in (("PATCH", "/api/files/x"), ("GET", "/api/files/..%2fown/preview")):
        assert client.request(method, at, json={"name": "x"}).status_code == 404


def test_files_are_brought_shown_renamed_and_removed_on_the_command_line(tmp_path: Path) -> None:
    def told(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(data, [*arguments, "--home", str(tmp_path / "home")])
        assert done.exit_code == code, done.output
        return done.output

    (tmp_path / "iris.csv").write_text(IRIS, encoding="utf-16")
    table = told("bring", str(tmp_path / "iris.csv")).strip()
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for n in range(5):
            Image.new("RGB", (9, 9), (40 * n, 0, 0)).save(tmp_path / "pets" / name / f"{n}.png")
    (tmp_path / "pets" / "cat" / "link.png").symlink_to("/etc/passwd")
    pets = told("bring", str(tmp_path / "pets")).strip()
    assert "5 cat" in told("show", pets)
    assert '넓이 (number): ["5,1", "", "6,5"]' in told("show", table[:8])
    told("rename", table, "붓꽃.csv")
    assert "붓꽃.csv" in told("list")
    told("remove", "붓꽃.csv", pets)
    assert [file.name for file in OwnFiles(tmp_path / "home" / "data", 9).all()] == []
    assert "no file, called 'pets'" in told("show", "pets", code=2)
    (tmp_path / "broken.csv").write_text("a,b\n1,2\n3,x\n")
    assert "row 3, column “b”" in told("bring", str(tmp_path / "broken.csv"), code=2)
