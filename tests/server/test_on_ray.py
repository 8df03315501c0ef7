"""Runs on a Ray cluster of two nodes, in a network of its own: what test_executors.py asks."""

import sys

import pytest
from filelock import FileLock

import ray_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(ray_cluster.absent()), reason=ray_cluster.absent()),
]


@pytest.mark.parametrize("tests", ["test_executors.py", "test_ray_faults.py"])
def test_beside_a_cluster(tests, tmp_path_factory):
    turn = tmp_path_factory.getbasetemp().parent / "cluster.lock"  # two at once are too much
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "ray"]
    with FileLock(turn):
        done = ray_cluster.inside(*command, f"tests/server/{tests}", timeout=580)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout
