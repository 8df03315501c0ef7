"""A Ray cluster of two nodes to test against, in a network and among processes that nobody else sees.

    python tests/ray_cluster.py COMMAND …

Ray listens on every address of a machine. So all of it lives in namespaces of its own, where the loopback is
the only address, and whatever is left of it ends with the command. `DESCENT_TEST_RAY` has the head's address.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ADDRESS = "127.0.0.1:6379"
INSIDE = "DESCENT_TEST_RAY_INSIDE"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
APART = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
SMALL = ["--object-store-memory=80000000", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]
ROOT = Path(__file__).parents[1]


def absent() -> str:
    """Why there can be no such cluster here; nothing if there can."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed (descent-playground[ray])"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare and ip are needed to keep Ray to itself"
    if subprocess.run([*_apart(), "true"], capture_output=True, check=False).returncode:
        return "no namespaces can be made here"
    return ""


def inside(*command: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command beside a cluster of its own."""
    process = subprocess.Popen(
        [sys.executable, __file__, *command],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        told = process.communicate(timeout=timeout)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # unshare too, with which all in its namespaces ends
    return subprocess.CompletedProcess(process.args, process.returncode, told)


def start(*options: str, **environment: str) -> None:
    """Start a node of the cluster, in the namespaces."""
    subprocess.run(
        [*RAY, "start", *options, *SMALL], env={**os.environ, **environment}, check=True, capture_output=True
    )


def start_head() -> None:
    """Start the head, which is a node as well."""
    folder = os.environ[INSIDE]
    start("--head", "--num-cpus=1", f"--temp-dir={folder}", "--port=6379", "--include-dashboard=false")


def processes(*words: str) -> list[int]:
    """The processes in whose command line all these words are."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if all(word in line for word in words) and int(file.parent.name) != os.getpid():
                found.append(int(file.parent.name))
    return found


def _apart() -> list[str]:
    return APART if os.geteuid() == 0 else [*APART, "--map-root-user"]


def main() -> int:
    """Enter the namespaces, start both nodes, run the command."""
    if INSIDE not in os.environ:
        paths = [str(ROOT / "server"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        with tempfile.TemporaryDirectory(prefix="ray") as folder:  # a short path: sockets lie in it
            environment = {
                **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
                INSIDE: folder,
                "DESCENT_TEST_RAY": ADDRESS,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": secrets.token_hex(16),
                "RAY_USAGE_STATS_ENABLED": "0",
            }
            return subprocess.run(
                [*_apart(), sys.executable, *sys.argv], env=environment, check=False
            ).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    start_head()
    start(f"--address={ADDRESS}", "--num-cpus=1", '--resources={"second": 1}')
    return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
