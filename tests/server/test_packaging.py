"""What installs, starts and ships Descent fits together: versions, Makefile, page build, container."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from descent import __version__
from descent.settings import Settings
from descent.web.app import create_app

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DIRECT = [
    Requirement(text)
    for text in [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["build-system"]["requires"],
    ]
]
MACHINES = {
    "linux": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "mac": {"sys_platform": "darwin", "platform_machine": "arm64"},
}
SETTINGS = {f"DESCENT_{name.upper()}" for name in Settings.model_fields}


def pins(machine: dict[str, str]) -> dict[str, list[str]]:
    """The versions that constraints.txt allows on a machine, by name."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", line
            assert "*" not in specifier.version, line
            if requirement.marker is None or requirement.marker.evaluate(machine):
                found.setdefault(canonicalize_name(requirement.name), []).append(specifier.version)
    return found


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["project"]["version"] == __version__
    assert json.loads((ROOT / "frontend/package.json").read_text(encoding="utf-8"))["version"] == __version__
    assert f"\n## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_dependency_has_exactly_one_exact_version(machine: str) -> None:
    pinned = pins(MACHINES[machine])
    assert pinned["torch"] == ["2.13.0"]
    assert {name: versions for name, versions in pinned.items() if len(versions) != 1} == {}
    for requirement in DIRECT:
        (version,) = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} does not allow {version}"


def test_what_the_dependencies_bring_along_is_pinned_and_installed() -> None:
    pinned = pins({})
    seen: set[str] = set()
    left = [requirement for requirement in DIRECT if requirement.name not in ("hatchling",)]
    while left:
        name = canonicalize_name(left.pop().name)
        if name in seen:
            continue
        seen.add(name)
        installed = distribution(name)
        assert pinned.get(name) == [Version(installed.version).public], name
        requires = map(Requirement, installed.requires or [])
        left += [one for one in requires if one.marker is None or one.marker.evaluate({"extra": ""})]


def dry_run(*arguments: str, **environment: str) -> str:
    """What make would do, whatever the make that may have started these tests was told."""
    command = ["make", "--no-print-directory", "--dry-run", "--always-make", *arguments]
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    result = subprocess.run(
        command, cwd=ROOT, env={**outside, **environment}, check=True, capture_output=True, text=True
    )
    return " ".join(result.stdout.replace("\\\n", " ").split())


needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


@needs_make
@pytest.mark.parametrize("target", ["run", "test", "check", "lint", "bench", "dev", "docs", "clean"])
@pytest.mark.slow
def test_the_makefile_has(target: str) -> None:
    assert dry_run(target)


@needs_make
def test_make_run_honours_host_port_and_open() -> None:
    assert dry_run("run").endswith("descent serve --open")
    line = dry_run("run", "HOST=0.0.0.0", "PORT=8080", "OPEN=0")
    assert line.endswith("descent serve --host 0.0.0.0 --port 8080")


@needs_make
def test_make_run_does_not_listen_on_a_host_that_the_shell_happens_to_export() -> None:
    assert "--host" not in dry_run("run", HOST="workstation")


@needs_make
def test_make_test_checks_everything() -> None:
    line = dry_run("test")
    for part in ["ruff check", "ruff format --check", "mypy", "run.py lint check", "run.py test", "pytest"]:
        assert part in line


def test_make_dev_can_create_the_app_without_arguments() -> None:
    assert "descent.web.app:create_app --factory" in dry_run("dev")
    assert create_app().title == "Descent"


def test_ci_runs_make_test_on_a_bare_machine() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("make clean\nexec make test")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`frontend/run.py` over a folder of its own, with an npm that only notes what it is asked."""
    spec = importlib.util.spec_from_file_location("frontend_run", ROOT / "frontend" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    frontend = tmp_path / "frontend"
    (frontend / "src").mkdir(parents=True)
    (frontend / "src" / "main.js").write_text("1")
    (frontend / "package.json").write_text("{}")
    (frontend / "package-lock.json").write_text("{}")
    calls: list[str] = []

    def npm(arguments: list[str], **options: object) -> int:
        calls.append(" ".join(arguments))
        (tmp_path / "static").mkdir(exist_ok=True)
        (frontend / "node_modules").mkdir(exist_ok=True)
        return module.fails  # type: ignore[no-any-return]

    for name, value in {
        "FRONTEND": frontend,
        "BUILT_FROM": tmp_path / "static" / ".built-from",
        "INSTALLED_FROM": frontend / "node_modules" / ".installed-from",
    }.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module.executable, "npm", npm)
    module.calls, module.fails = calls, 0  # type: ignore[attr-defined]
    return module


CLEAN_INSTALL = "ci --include=dev --no-audit --no-fund"


def test_the_page_is_built_once(page: ModuleType) -> None:
    page.build()
    assert page.calls == [CLEAN_INSTALL, "run build"]
    page.build()
    (page.FRONTEND / "node_modules" / "cache").write_text("not a source")
    page.build()
    assert len(page.calls) == 2


def test_the_page_is_built_again_after_a_change(page: ModuleType) -> None:
    page.build()
    (page.FRONTEND / "src" / "main.js").write_text("2")
    page.build()
    (page.FRONTEND / "src" / "main.js").rename(page.FRONTEND / "src" / "other.js")
    page.build()
    assert page.calls == [CLEAN_INSTALL, *["run build"] * 3]


def test_packages_are_installed_again_after_the_lock_file_changed(page: ModuleType) -> None:
    page.main(["lint"])
    page.main(["check", "test"])
    (page.FRONTEND / "package-lock.json").write_text("{ }")
    page.main(["lint"])
    assert page.calls == [CLEAN_INSTALL, "run lint", "run check", "run test", CLEAN_INSTALL, "run lint"]


def test_a_build_that_fails_says_so_and_is_tried_again(page: ModuleType) -> None:
    page.fails = 3
    with pytest.raises(SystemExit, match=r"`npm ci .* failed in .* with exit code 3"):
        page.build()
    page.fails = 0
    page.build()
    assert page.calls == [CLEAN_INSTALL, CLEAN_INSTALL, "run build"]


def test_the_image_sets_only_settings_that_exist_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    runtime = text[text.rindex("\nFROM ") :]
    named = set(re.findall(r"\bDESCENT_[A-Z_]+\b", text))
    assert named <= SETTINGS
    assert {"DESCENT_HOST", "DESCENT_HOME"} <= named
    assert "\nUSER descent\n" in runtime
    assert re.search(r"HEALTHCHECK (?s:.)*/api/health", runtime)
    assert "\nVOLUME /data\n" in runtime


@pytest.fixture(scope="module")
def compose() -> Callable[..., dict[str, Any]]:
    """What docker compose makes of the file for a profile; it needs no Docker for that."""
    found = shutil.which("docker-compose")
    if found is None:
        assert os.environ.get("DESCENT_TEST_ALL") != "1", "there is no docker-compose on this machine"
        pytest.skip("there is no docker-compose on this machine")

    def services(profile: str) -> dict[str, Any]:
        done = subprocess.run(
            [found, "--profile", profile, "config"],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "DOMAIN": "lab.example", "POSTGRES_PASSWORD": "secret"},
        )
        assert done.returncode == 0, done.stderr
        understood: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
        return {name: one for name, one in understood.items() if profile in one["profiles"]}

    return services


def published(service: dict[str, Any]) -> list[str]:
    """Where a service is found from outside, whichever way compose writes it."""
    return [
        port
        if isinstance(port, str)
        else f"{port.get('host_ip', '')}:{port['published']}:{port['target']}/{port.get('protocol', 'tcp')}"
        for port in service.get("ports", [])
    ]


def test_compose_sets_only_settings_that_exist() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\bDESCENT_[A-Z_]+\b", text)) <= SETTINGS


def test_compose_publishes_on_this_machine_only(compose: Callable[..., dict[str, Any]]) -> None:
    ((name, service),) = compose("alone").items()
    assert name == "descent"
    assert published(service) == ["127.0.0.1:8000:8000/tcp"]
    assert "home" in str(service["volumes"])


def test_of_a_cluster_only_the_server_is_reached(compose: Callable[..., dict[str, Any]]) -> None:
    services = compose("cluster")
    assert set(services) == {"head", "node"}
    assert published(services["head"]) == ["127.0.0.1:8000:8000/tcp"]
    assert not published(services["node"])
    for one in services.values():
        assert one["environment"]["RAY_AUTH_MODE"] == "token"
        assert set(one["networks"]) == {"nodes"}
        assert one["cap_drop"] == ["ALL"]
    assert services["head"]["environment"]["DESCENT_EXECUTOR"] == "ray"
    assert services["node"]["deploy"]["replicas"] == 2


def test_of_a_class_only_the_proxy_is_reached_and_all_have_limits(
    compose: Callable[..., dict[str, Any]],
) -> None:
    services = compose("class")
    assert set(services) == {"class", "proxy", "database"}
    assert [name for name, one in services.items() if published(one)] == ["proxy"]
    for name, one in services.items():
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["mem_limit"], name
        assert one["pids_limit"] > 0, name
    descent, proxy = services["class"], services["proxy"]
    assert descent["user"] == "10001"
    assert "cap_add" not in descent
    told = {key.removeprefix("DESCENT_"): value for key, value in descent["environment"].items()}
    assert told["TRUSTED_PROXIES"] == proxy["networks"]["proxy"]["ipv4_address"]
    assert told["ALLOWED_HOSTS"] == proxy["environment"]["DOMAIN"] == "lab.example"
    assert told["DATABASE_URL"] == "postgresql://descent:secret@database/descent"
    assert "NO_AUTH" not in told
    assert descent["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert set(services["database"]["networks"]) == {"database"}
    assert "database" not in proxy["networks"]


def test_the_image_is_built_from_nothing_that_git_ignores() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in allowed)
    assert {"**/node_modules", "server/descent/static"} <= set(lines)
