"""The tutorial on experiments of one's own: every step in it is taken, in its order, as it is written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx
import pytest
from test_own_runs import finished, losses, run_of, until
from typer.testing import CliRunner

from conftest import serving
from descent.cli.main import cli

pytestmark = pytest.mark.slow
TUTORIAL = Path(__file__).parents[2] / "docs" / "writing-experiments.md"
BLOCK = re.compile(r"^```(sh|python|markdown)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def ran(command: str) -> str:
    """What a line of the tutorial writes; a command that it says fails must do so."""
    command, _, remark = command.partition("#")
    program, *arguments = shlex.split(command)
    if program == "rm":
        Path(arguments[0]).unlink()
        return ""
    assert program == "descent"
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code != 0) == ("fails" in remark), result.output
    if "fails" in remark:
        _, _, words = remark.partition(":")
        assert words.strip() in result.output
    return result.output


def test_every_step_of_the_tutorial_can_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, lesson = Path("my-lab/parabola.py"), Path("my-lab/parabola.en.md")
    blocks = BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))
    python = [text for kind, text in blocks if kind == "python"]
    served = 0
    for kind, text in blocks:
        if kind == "markdown":
            lesson.write_text(text, encoding="utf-8")
        elif kind == "python" and text is python[0]:
            file.write_text(text, encoding="utf-8")
        elif kind == "python" and text is python[1]:
            whole = file.read_text(encoding="utf-8")
            before, imports = (
                "from descent.contract import Exp",
                "import torch\n\nfrom descent.contract import Exp",
            )
            file.write_text(whole.replace(before, imports) + "\n" + text, encoding="utf-8")
        elif kind == "python":
            whole = file.read_text(encoding="utf-8")
            file.write_text(whole + "\n\n" + text, encoding="utf-8")
        else:
            for line in text.splitlines():
                if line.startswith("descent serve"):
                    served += 1
                    continue  # below, with what has become of the file
                ran(line)
    assert (len(python), served) == (3, 1)

    file.write_text(whole, encoding="utf-8")  # "Take the line out again"
    assert ran("descent list --experiments my-lab").split()[-4:] == ["my-lab", "parabola", "A", "parabola"]
    with (
        serving(tmp_path / "home", "--experiments=my-lab", "--reload") as server,
        httpx.Client(base_url=server.url, timeout=120) as api,
    ):
        until(api, "/api/experiments", lambda all: any(one["id"] == "parabola" for one in all))
        run = run_of(api, experiment="parabola", max_steps=20)
        finished(api, run)
        assert losses(api, run)[1] == pytest.approx(9 * (1 - 2 * 0.1) ** 2)
        assert api.get(f"/api/runs/{run}/frames/curve?step=20").status_code == 200
        korean = api.get("/api/experiments/parabola?lang=ko").json()
        assert korean["title"] == "A parabola"
        assert "<p>Each step multiplies" in korean["lesson"]
