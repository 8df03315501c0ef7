"""What `descent serve` says when it starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from descent.cli import greeting
from descent.settings import Settings


def said(capsys: pytest.CaptureFixture[str], home: Path, **settings: Any) -> tuple[str, str, str]:
    """The address to open, what is printed, and what goes to stderr."""
    address = greeting.greet(Settings(home=home, **settings), 8000)
    return address, *capsys.readouterr()


@pytest.mark.parametrize(("user", "warned"), [(0, True), (1000, False)])
def test_only_root_is_warned(
    user: int,
    warned: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("runs as root" in said(capsys, tmp_path)[2]) == warned


def test_where_there_is_no_root_nobody_is_warned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert said(capsys, tmp_path)[2] == ""


@pytest.mark.slow
def test_a_server_started_as_root_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "descent", "serve", "--port=0", f"--home={tmp_path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = re.search(r":(\d+)/", process.stdout.readline())
        assert port
        assert httpx.get(f"http://127.0.0.1:{port[1]}/api/health", timeout=60).status_code == 200
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert ("runs as root" in said) == (os.geteuid() == 0)


def test_the_link_is_one_that_a_browser_behind_the_proxy_can_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    behind = {"trusted_proxies": "127.0.0.1", "allowed_hosts": "lab.example", "root_path": "/descent"}
    address, text, _ = said(capsys, tmp_path, **behind)
    assert address.startswith("https://lab.example/descent/enter#")
    assert address in text


def test_names_of_others_without_a_key_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--trusted-proxies" in said(capsys, tmp_path, allowed_hosts="lab.example")[1]
    assert "--trusted-proxies" not in said(capsys, tmp_path, allowed_hosts="lab.example", no_auth=True)[1]
    assert "--trusted-proxies" not in said(capsys, tmp_path)[1]
