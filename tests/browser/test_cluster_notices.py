"""What a lab says of a cluster: no room, a lost node, a slow start; of one that is played by this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from descent.engine.messages import Control, Output, RunSpec, Unplaced
from descent.settings import Settings
from descent.web.app import create_server
from descent.workers.executor import Interruption, Worker
from descent.workers.process import LocalExecutor
from lab import START_WITHIN, WITHIN, Open, wait_past

LAB = "/lab/neural-playground"


class Waiting:
    """A worker that has no place."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended

    def send(self, control: Control) -> None:
        """It does not hear."""

    def kill(self) -> None:
        self._ended("the worker process was killed by signal 9")

    def close(self) -> None:
        """It has nothing to release."""


class Played(LocalExecutor):
    """A cluster without GPUs, whose runs are processes of this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()  # until it is set no run begins
        self.open.set()
        self.workers: list[Worker] = []

    async def start(  # type: ignore[override]
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> Worker:
        if spec.device == "cuda":
            deliver(Unplaced(spec.first_seq - 1, 0, "no-gpu"))
            return Waiting(ended)
        await asyncio.to_thread(self.open.wait)

        def lost(cause: str) -> None:
            ended(Interruption("the node 10.0.0.7 is gone") if "signal 9" in cause else cause)

        self.workers.append(await super().start(spec, deliver, lost))
        return self.workers[-1]


@pytest.fixture(scope="module")
def cluster() -> Played:
    return Played()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cluster: Played) -> Iterator[str]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), executor="ray", opening=0, idle_pause=0)
    server = create_server(settings, executor=lambda: cluster)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        cluster.open.set()
        server.should_exit = True
        thread.join(START_WITHIN)


def is_in_sight(page: Page, name: str) -> bool:
    """Whether nothing of an element is cut off at the right."""
    box = page.get_by_test_id(name).bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    return box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]


def test_a_run_that_waits_for_a_gpu_is_started_on_the_cpu(open_page: Open) -> None:
    page = open_page(f"{LAB}?seed=0&device=cuda", width=390, height=844)
    told = page.get_by_test_id("entry-unplaced")
    expect(told).to_contain_text("No node of the cluster has a GPU", timeout=WITHIN)
    expect(page.get_by_test_id("status")).to_have_text("starting")
    assert is_in_sight(page, "status")
    assert is_in_sight(page, "step-count")
    page.get_by_test_id("on-cpu").click()
    wait_past(page, 10)
    expect(told).to_have_count(0)


def test_a_run_whose_node_is_lost_says_so_in_korean_and_goes_on(open_page: Open, cluster: Played) -> None:
    other = open_page(f"{LAB}?seed=1&device=cpu")
    wait_past(other, 10)
    page = open_page(f"{LAB}?seed=2&device=cpu", language="ko")
    wait_past(page, 200)
    cluster.workers[-1].kill()
    told = page.get_by_test_id("entry-interrupted")
    expect(told).to_contain_text("노드 10.0.0.7이 사라졌습니다", timeout=WITHIN)
    expect(page.get_by_test_id("entry-crowd")).to_have_count(0)  # the other run is on another machine
    at = page.get_by_test_id("step-count").inner_text()
    page.get_by_test_id("resume").click()
    expect(told).to_have_count(0, timeout=WITHIN)
    expect(page.get_by_test_id("step-count")).not_to_have_text(at, timeout=WITHIN)


def test_a_start_that_takes_long_says_so(open_page: Open, cluster: Played) -> None:
    cluster.open.clear()
    page = open_page(f"{LAB}?seed=3&device=cpu")
    told = page.get_by_test_id("entry-starting")
    expect(told).to_contain_text("is being started", timeout=WITHIN)
    cluster.open.set()
    wait_past(page, 10)
    expect(told).to_have_count(0)
