"""Every setting once: its name, default and help.

A setting is read from `DESCENT_<NAME>` and from the option `--<name>` of `descent serve`, which wins.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = re.compile(r"(/[A-Za-z0-9._~%@+-]+)*")  # of paths, as a proxy shows them
ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|[a-z][a-z-]*:")


class Settings(BaseSettings):
    """The server's settings."""

    model_config = SettingsConfigDict(env_prefix="DESCENT_", extra="ignore", frozen=True)

    host: str = Field(
        "127.0.0.1", description="Address to listen on. The default is reachable from this machine only."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: str = Field(
        "",
        description="Further names this server answers to, separated by commas (the Host and Origin of every "
        "request are checked); with the port, where a proxy drops it. Loopback names and HOST always are.",
    )
    no_auth: bool = Field(
        False,
        description="Ask nobody for a key, where HOST is not of this machine alone or TRUSTED_PROXIES are "
        "set: whoever reaches the server can do everything.",
    )
    access_days: float = Field(
        30, gt=0, le=3650, description="Days after which a key, and who came by it, is no longer let in."
    )
    root_path: str = Field(
        "",
        description="Path under which a proxy shows this server, as /descent. Requests may come with it or "
        "without.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses of proxies, or networks of them, separated by commas. What they say in "
        "X-Forwarded-For, -Proto, -Host and -Prefix is believed, so they have to set or delete each. "
        "Whoever comes is asked for a key.",
    )
    log_requests: bool = Field(
        False,
        description="Whether a line of JSON about each request is written to stderr, with the id that its "
        "answer has in X-Request-Id.",
    )
    embed_in: str = Field(
        "",
        description="Origins whose pages may show the embed pages in a frame, beside this server's own, "
        "separated by commas: https://blog.example; * is any.",
    )
    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("descent")),
        description="Folder for what is recorded. Default: the user's data folder.",
    )
    database_url: str = Field(
        "",
        description="Where runs are recorded: postgresql://… or sqlite:///…. Default: descent.db in HOME.",
    )
    record: bool = Field(True, description="Whether runs are recorded at all.")
    record_budget: float = Field(
        0.0075,
        ge=0,
        le=0.02,
        description="Share of a run's time for checkpoints, and as much for pictures that nobody watches.",
    )
    frames_mb: int = Field(
        96, ge=1, description="MiB of pictures kept of one run, compressed; older ones are thinned out."
    )
    checkpoints_mb: int = Field(
        64, ge=1, description="MiB of checkpoints kept of one run; older ones are thinned out."
    )
    scalars_mb: int = Field(
        64,
        ge=1,
        description="MiB of scalars kept of one run, compressed. Beyond, and of steps more than a million "
        "back, the least, the greatest and the mean of ever longer stretches are kept.",
    )
    tape_mb: int = Field(
        256,
        ge=16,
        description="MiB of scalars and events of a run that wait to be recorded, or without RECORD all of "
        "them; beyond, the oldest are lost.",
    )
    store_mb: int = Field(
        8192,
        ge=1,
        description="MiB kept of all runs. Beyond, the oldest not starred keep only first and last pictures, "
        "the last checkpoint, and where that is not enough their scalars in a few thousand points.",
    )
    autoresume: bool = Field(
        False, description="Whether runs that were training when the server ended go on when it starts."
    )
    data: Path | None = Field(
        None,
        description="Folder with data sets of one's own, each in a folder of its name; MNIST's IDX files, "
        "zipped or not, may lie in it directly. It goes before HOME/data, where those fetched are kept.",
    )
    data_mirror: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Address of a mirror from which data sets are fetched, each as <mirror>/<set>/<file> and "
        "not from the set's usual address.",
    )
    experiments: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Folders with experiments of one's own, or single files; a folder is a chapter. In the "
        "variable they are separated as in PATH, the option is given once for each.",
    )
    reload: bool = Field(
        False, description="Whether files in EXPERIMENTS are taken up by new runs as soon as they are saved."
    )
    executor: Literal["local", "ray"] = Field(
        "local",
        description="Where runs and sweeps train: on this machine, or on the Ray cluster that it belongs to "
        "(docs/cluster.md). There MAX_RUNNING is to be set to what the cluster has.",
    )
    ray_address: str = Field(
        "",
        description="Address of the head of the Ray cluster, as 10.0.0.1:6379. Default: what RAY_ADDRESS "
        "says, or the cluster whose node runs on this machine.",
    )
    ray_else_local: bool = Field(
        True,
        description="Whether runs train on this machine while the Ray cluster cannot be reached; else they "
        "fail.",
    )
    max_running: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Runs that train at the same time; further ones are queued, first those of people who "
        "have none training. Default: the cores.",
    )
    max_live: int = Field(
        32, ge=1, description="Runs not yet ended (queued, running or paused) at the same time."
    )
    turn: float = Field(
        20,
        ge=0,
        description="Seconds that a run trains while runs of people with fewer slots wait; then it takes its "
        "place in the queue. 0: it trains on.",
    )
    run_mb: int = Field(
        0,
        ge=0,
        description="MiB of memory that each run on a CPU may take beyond what its process begins with (on "
        "Linux); one that needs more fails, and says which knob is too large. 0: three quarters of the "
        "machine's memory.",
    )
    live_each: int = Field(
        6, ge=1, description="As MAX_LIVE, of each person, where the server asks for keys."
    )
    store_each_mb: int = Field(
        1024,
        ge=1,
        description="MiB that the recorded runs of each person may take, where the server asks for keys: the "
        "pictures and checkpoints of their oldest ones make room.",
    )
    sweeps: int = Field(2, ge=1, description="Sweeps under way at the same time; they take no run's slot.")
    sweeps_each: int = Field(
        1, ge=1, description="As SWEEPS, of each person, where the server asks for keys."
    )
    sweep_mb: int = Field(
        1024, ge=1, description="MiB that the states of all variants of a sweep may take together."
    )
    keep_ended: int = Field(
        100,
        ge=0,
        description="Ended runs kept in memory; older ones are read from the store when asked for.",
    )
    probe_budget: float = Field(
        0.05, ge=0, le=1, description="Share of wall time that probes may take from a training run."
    )
    opening: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Seconds in which a run opened on the page trains at a pace that the eye can follow, "
        "before it gets faster and faster; 0 for none.",
    )
    idle_pause: float = Field(
        600, ge=0, description="Seconds after which a run that nobody watches is paused; 0 never."
    )
    max_body: int = Field(
        256 * 1024, ge=1024, description="Largest request body and WebSocket message, in bytes."
    )
    import_mb: int = Field(
        512, ge=1, description="MiB that an imported run may have, as it is sent and as it unpacks."
    )
    imports_mb: int = Field(
        4096, ge=1, description="MiB of the store that all imported runs may take together."
    )
    own_file_mb: int = Field(16, ge=1, description="MiB that a file of one's own may have.")
    own_pictures_mb: int = Field(
        64,
        ge=1,
        description="MiB that a zip of one's own pictures may have; 32 × 32 pixels of each are kept.",
    )
    own_files: int = Field(100, ge=1, description="Files of one's own that are kept.")
    data_each_mb: int = Field(
        256,
        ge=1,
        description="MiB that the files of each person may take, where the server asks for keys.",
    )
    connections: int = Field(
        512, ge=1, description="Connections open at the same time; further ones are told to come back later."
    )
    viewers: int = Field(256, ge=1, description="Viewers of all runs together.")
    viewers_per_run: int = Field(
        128, ge=1, description="Viewers of one run; further ones are told to come back later."
    )
    request_timeout: float = Field(
        20,
        gt=0,
        description="Seconds within which a request must come, and a body must go on, before its connection "
        "is closed.",
    )
    requests_each: float = Field(
        100,
        ge=0,
        description="Requests a second of each person, on average over five, where the server asks for keys; "
        "streams and the page's own files are not counted. 0: as many as they like.",
    )
    exports: int = Field(2, ge=1, description="Tables of scalars written out at the same time.")
    send_timeout: float = Field(
        30, gt=0, description="Seconds after which a client that reads nothing is cut off."
    )

    @field_validator("experiments", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value

    @field_validator("root_path")
    @classmethod
    def _path(cls, value: str) -> str:
        value = value.rstrip("/")
        if not PREFIX.fullmatch(value):
            raise ValueError("has to be a path, as /descent")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        addresses = [one.strip() for one in value.split(",") if one.strip()]
        for one in addresses:
            ipaddress.ip_network(one)  # raises ValueError, which says why
        return ",".join(addresses)

    @field_validator("embed_in")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in filter(None, map(str.strip, value.split(","))):
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin, as https://blog.example")
        return value

    @property
    def guarded(self) -> bool:
        """Whether the server asks for keys: others than this machine reach it."""
        return not self.no_auth and (bool(self.trusted_proxies) or not is_loopback(self.host))

    @property
    def public_address(self) -> str:
        """Where browsers find the server behind its proxy, which speaks TLS; '' without one, or its name."""
        name = self.allowed_hosts.split(",")[0].strip()
        return f"https://{name}{self.root_path}/" if self.trusted_proxies and name else ""

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """Where data sets are looked for, in this order."""
        return (*([self.data] if self.data else []), self.home / "data")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
