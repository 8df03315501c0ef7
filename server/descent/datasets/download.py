"""One file over HTTP: resumed where the line broke, no longer than it should be, and checked by pooch.

What came so far lies in `<name>.part`. Pooch hashes the whole of it and moves it to its name in one go.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pooch
import requests
from urllib3.exceptions import HTTPError

from descent import __version__
from descent.datasets.catalogue import File
from descent.errors import FetchFailed

Told = Callable[[int], None]  # bytes of the file that are there

CHUNK = 1 << 18
TIMEOUT = (10, 10)  # seconds to connect, and without a byte
REDIRECTS = 5
PAUSES = (1.0, 2.0, 4.0)  # seconds before each further try after the line broke
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MIRROR = "try again later, or name a mirror in DESCENT_DATA_MIRROR"

pooch.get_logger().setLevel(logging.WARNING)


class Cancelled(Exception):
    """The fetch was told to stop."""


class _Broken(Exception):
    """The line broke before the end."""


class _OtherFile(Exception):
    """What comes is not of the known size."""


def download(file: File, url: str, folder: Path, told: Told, stop: threading.Event) -> Path:
    """Fetch a file into `folder`, from where an earlier try ended; the path of what is whole and right.

    Raises `FetchFailed`, `Cancelled` once `stop` is set, `OSError` where it cannot be written.
    """
    try:
        found = pooch.retrieve(
            url,
            file.checksum,
            fname=file.name,
            path=folder,
            downloader=functools.partial(_resumed, file=file, told=told, stop=stop),
        )
    except ValueError as error:
        raise FetchFailed(
            f"{_host(url)} has another {file.name} than the known one (its checksum differs), and it was "
            f"deleted; {MIRROR}",
            reason="wrong-file",
            host=_host(url),
            file=file.name,
        ) from error
    told(file.size)
    return Path(found)


def _resumed(url: str, output_file: str, _: Any, *, file: File, told: Told, stop: threading.Event) -> None:
    """Pooch's downloader: brings the part to its end, and hands it over as `output_file`."""
    part = Path(output_file).parent / f"{file.name}.part"
    pauses = iter(PAUSES)
    with requests.Session() as session:
        first = _length(part)
        while (before := _length(part)) < file.size:
            try:
                _receive(session, url, part, file, told, stop)
            except _Broken as error:
                pause = next(pauses, None) if _length(part) > before else None
                if pause is None:
                    raise _given_up(url, file, error, came=_length(part) - first) from error
                if stop.wait(pause):
                    raise Cancelled from error
    os.replace(part, output_file)


def _given_up(url: str, file: File, error: _Broken, came: int) -> FetchFailed:
    host = _host(url)
    if came:
        return FetchFailed(
            f"the connection to {host} broke in the middle of {file.name} ({error}); fetch again to go on "
            "from there",
            reason="broken",
            host=host,
            file=file.name,
        )
    return FetchFailed(
        f"{host} cannot be reached ({error}); check this machine's connection, name a mirror in "
        "DESCENT_DATA_MIRROR, or put the files into a folder of the data set's name in DESCENT_DATA",
        reason="offline",
        host=host,
    )


def _receive(
    session: requests.Session, url: str, part: Path, file: File, told: Told, stop: threading.Event
) -> None:
    """Append to the part what is missing. Raises `_Broken` where the line breaks."""
    have = _length(part)
    try:
        with _opened(session, url, have) as response:
            have = _start(response, url, part, file)
            with part.open("ab") as out:
                out.truncate(have)
                while True:
                    if stop.is_set():
                        raise Cancelled
                    # one byte more than there should be: so a file without an end is noticed
                    chunk = response.raw.read1(min(CHUNK, file.size - have + 1), decode_content=False)
                    if not chunk:
                        break
                    have += len(chunk)
                    if have > file.size:
                        raise _OtherFile("more")
                    out.write(chunk)
                    told(have)
    except (requests.RequestException, HTTPError) as error:
        raise _Broken(_cause(error)) from error
    except _OtherFile as error:
        part.unlink(missing_ok=True)
        raise FetchFailed(
            f"{_host(url)} has another {file.name} than the known one: {error} where {file.size} bytes were "
            f"expected; {MIRROR}",
            reason="wrong-size",
            host=_host(url),
            file=file.name,
        ) from error
    if have < file.size:
        raise _Broken("it was closed early")


def _start(response: requests.Response, url: str, part: Path, file: File) -> int:
    """How much of the part the response goes on from. Raises `FetchFailed` or `_OtherFile`."""
    have, host = _length(part), _host(url)
    if response.status_code == 206:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _OtherFile("another part")
    elif response.status_code == 200:
        have = 0  # it does not resume
    elif response.status_code == 416:
        raise _OtherFile(f"less than {have} bytes")
    else:
        raise FetchFailed(
            f"{host} answered {response.status_code} for {file.name}; {MIRROR}",
            reason="refused",
            host=host,
            file=file.name,
            status=response.status_code,
        )
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and have + int(promised) != file.size:
        raise _OtherFile(f"{have + int(promised)} bytes")
    return have


def _opened(session: requests.Session, url: str, begin: int) -> requests.Response:
    """The response, from byte `begin` on if the server can; redirects are followed to HTTPS alone."""
    headers = {"Accept-Encoding": "identity", "User-Agent": f"descent/{__version__}"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    here = url
    for _ in range(REDIRECTS):
        response = session.get(here, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT)
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(here, response.headers["Location"])
        if not _may_lead(here, target):
            break
        here = target
    raise FetchFailed(
        f"{_host(url)} leads elsewhere ({target[:200]}), which is not followed: it is not HTTPS, or there is "
        f"no end to it; {MIRROR}",
        reason="redirected",
        host=_host(url),
        target=target[:200],
    )


def _may_lead(here: str, target: str) -> bool:
    """Whether a redirect is followed: to HTTPS, or within this machine."""
    old, new = urlsplit(here), urlsplit(target)
    within = new.scheme == "http" and new.hostname in LOOPBACK and new.hostname == old.hostname
    return new.scheme == "https" or within


def _cause(error: BaseException) -> str:
    """The innermost reason: "[Errno 111] Connection refused" and not the three layers around it."""
    while (inner := getattr(error, "reason", None) or next(iter(error.args), None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error)[:200]


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
