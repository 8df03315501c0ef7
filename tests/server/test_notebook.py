"""What a notebook shows of a run: a frame, or a sentence."""

from __future__ import annotations

import re

import httpx
import pytest
from test_watching import Training, the_run

from conftest import LiveServers
from descent.watching.notebook import Shown


def test_a_run_is_a_frame_with_the_server_s_own_embed_page(live_server: LiveServers) -> None:
    server = live_server()
    training = Training(server)
    assert "not on a server yet" in training.run._repr_html_()
    run = training.until(lambda: the_run(server))
    training.until(lambda: training.run.show().run)
    shown = training.run.show("loss", "gradients", height=300)._repr_html_()
    assert f'src="{server}/embed/run/{run["id"]}?panels=loss,gradients"' in shown
    assert 'height="300"' in shown
    assert "--embed-in" in shown
    address = re.findall(r'src="([^"]+)"', training.run._repr_html_())[0]
    policy = httpx.get(address, headers={"Accept": "text/html"}).headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self'")
    training.run.finish()


def test_the_browser_s_address_may_be_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_PUBLIC_URL", "https://hub.example/user/a/proxy/8000/")
    assert '"https://hub.example/user/a/proxy/8000/embed/run/x"' in Shown("localhost:8000", "x")._repr_html_()


def test_names_of_panels_are_no_html() -> None:
    shown = Shown("localhost:8000", "x", ['"><script>'])._repr_html_()
    assert "<script>" not in shown
