"""A real PostgreSQL server for tests, from Debian's packages or wherever `initdb` is found."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

# What tests write may be lost, so nothing need reach the disk.
OPTIONS = "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def programs() -> Path | None:
    """The folder with PostgreSQL's programs, the newest there is."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    packaged = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((file.parent for file in packaged), key=lambda folder: int(folder.parent.name), default=None)


@contextlib.contextmanager
def running(programs: Path) -> Iterator[str]:
    """The address of a server that listens on a socket only; a database's name is to be put into it."""
    # A socket's path has 107 characters at most, and the server, which will not be root, must get there.
    folder = Path(tempfile.mkdtemp(prefix="descent-pg-", dir="/tmp"))
    other: pwd.struct_passwd | None = None
    if os.geteuid() == 0:
        users = {user.pw_name: user for user in pwd.getpwall()}
        other = users.get("postgres") or users["nobody"]
        os.chown(folder, other.pw_uid, other.pw_gid)

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, f"--pgdata={folder / 'data'}", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            user=other and other.pw_uid,
            group=other and other.pw_gid,
            extra_groups=other and [],
        )
        assert done.returncode == 0, done.stdout

    try:
        call("initdb", "--username=descent", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync")
        call("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options=-k {folder} {OPTIONS}")
        try:
            yield f"postgresql://descent@/?host={folder}"
        finally:
            call("pg_ctl", "stop", "--mode=immediate")
    finally:
        shutil.rmtree(folder)
