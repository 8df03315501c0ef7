"""The FastAPI application: routes, errors, the page, and the runs' life from start to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict

from descent import __version__
from descent.access import Book
from descent.classroom.progress import Progress
from descent.classroom.room import Room
from descent.datasets.catalogue import CATALOGUE, DataSet
from descent.datasets.fetches import Fetches
from descent.datasets.own import OwnFiles
from descent.datasets.shelf import Shelf
from descent.engine.device import kind_of, offered
from descent.errors import DescentError
from descent.own.places import places
from descent.registry import Registry, chapters, experiments
from descent.runs.devices import offered_by
from descent.runs.manager import RunManager
from descent.runs.own import OwnExperiments
from descent.settings import Settings
from descent.store.store import Store
from descent.web import (
    access,
    challenges,
    classroom,
    files,
    frames,
    metrics,
    pictures,
    problems,
    stream,
    watch,
)
from descent.web import archive as archive_routes
from descent.web import data as data_routes
from descent.web import experiments as experiment_routes
from descent.web import gallery as gallery_routes
from descent.web import own as own_routes
from descent.web import runs as run_routes
from descent.web import scalars as scalar_routes
from descent.web.door import ANYONE, Door, Wrong
from descent.web.forwarded import Forwarded
from descent.web.gate import Gate
from descent.web.guard import Guard, problem
from descent.web.heads import Heads
from descent.web.index import Index
from descent.web.often import Often
from descent.web.prefix import Prefix, page
from descent.web.requests import Requests
from descent.web.sockets import protocols
from descent.web.stream import bad_field
from descent.workers.executor import Executor, executor_of

logger = logging.getLogger(__name__)


class Health(TypedDict):
    """That the server answers, and what its runs may train on: `devices`, by the names that `device` of a new
    run takes. `device`: the kind of the last one of this machine.
    """

    status: str
    version: str
    device: str
    devices: list[str]


STATIC = Path(__file__).parents[1] / "static"
FINAL_WAIT = 1  # seconds to close open connections when the server stops
FOREVER = "public, max-age=31536000, immutable"  # Vite puts a hash into every asset's name


def create_app(
    settings: Settings | None = None,
    store: Store | None = None,
    *,
    registry: Registry | None = None,
    executor: Callable[[], Executor] | None = None,
    catalogue: Mapping[str, DataSet] = CATALOGUE,
) -> FastAPI:
    """The application with these settings, by default those of the environment, and these experiments, by
    default those that come with Descent. `executor`: what runs train in, by default what the settings name;
    `catalogue`: data sets to fetch.

    It opens the store when it starts, unless it is given one, and closes it when it ends.
    """
    settings = settings or Settings(**{})
    registry = (
        Registry(experiments()) if registry is None else registry
    )  # a broken one raises before it listens
    own = OwnExperiments(registry, places(settings.experiments, chapters()), follows=settings.reload)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        trains = executor() if executor else executor_of(settings)
        trains.warm_up()
        recorded = store or open_store(settings)
        manager = app.state.manager = RunManager(settings, trains, recorded, registry)
        app.state.metrics = metrics.registry_of(manager)
        await own.begin()
        await manager.start()
        room.resume()
        late = asyncio.create_task(metrics.watch_delay())
        yield
        late.cancel()
        await own.end()
        app.state.fetches.close()
        await manager.close()
        trains.close()
        progress.close()
        if book is not None:
            book.close()

    app = FastAPI(
        title="Descent",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    book = Book(settings.home) if settings.guarded else None
    app.state.settings = settings
    app.state.book = book
    app.state.progress = progress = Progress(settings.home)
    app.state.room = room = Room(progress, lambda: app.state.manager)
    app.state.wrong = wrong = Wrong()
    app.state.registry = registry
    app.state.own = own
    app.state.index = Index(registry)
    app.state.fetches = Fetches(Shelf(settings, catalogue))
    app.state.imports = Gate()
    app.state.files = OwnFiles(settings.home / "data", settings.own_files)
    app.state.largest_file = settings.own_file_mb << 20
    app.state.bringing = asyncio.Semaphore(files.AT_ONCE)
    app.state.pictures = asyncio.Semaphore(pictures.AT_ONCE)
    app.state.tables = scalar_routes.Turns(asyncio.Semaphore(settings.exports))
    app.add_middleware(Heads)
    app.state.commands = Often(classroom.COMMANDS, "you answer too often")
    requests = Often(settings.requests_each, "you ask too often (setting REQUESTS_EACH)")
    app.add_middleware(Door, book=book, wrong=wrong, requests=requests)
    uploads = {
        archive_routes.IMPORT: settings.import_mb << 20,
        pictures.PATH: pictures.LARGEST,
        files.PATH: max(settings.own_file_mb, settings.own_pictures_mb) << 20,
    }
    app.add_middleware(Guard, settings=settings, uploads=uploads)
    app.add_middleware(Prefix, settings=settings)
    app.add_middleware(Forwarded, settings=settings)
    app.add_middleware(Requests, log=settings.log_requests)
    app.include_router(access.router)
    app.include_router(metrics.router)
    app.include_router(experiment_routes.router)
    app.include_router(gallery_routes.router)
    app.include_router(own_routes.router)
    app.include_router(archive_routes.router)  # before `runs`: `import` is no run's id
    app.include_router(run_routes.router)
    app.include_router(challenges.router)
    app.include_router(classroom.router)
    app.include_router(scalar_routes.router)
    app.include_router(stream.router)
    app.include_router(watch.router)
    app.include_router(data_routes.router)
    app.include_router(pictures.router)
    app.include_router(files.router)

    @app.get("/api/health", dependencies=[ANYONE])
    async def health() -> Health:
        return {
            "status": "ok",
            "version": __version__,
            "device": kind_of(offered()[-1]),
            "devices": list(offered_by(settings)),
        }

    @app.exception_handler(DescentError)
    async def refuse(request: Request, error: DescentError) -> Response:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def refuse_fields(request: Request, error: RequestValidationError) -> Response:
        first: dict[str, Any] = dict(error.errors()[0])
        if first["type"] != "json_invalid":  # that one's place is an offset into the text
            first["loc"] = first["loc"][1:] or first["loc"]  # without "body", "query", …
        else:
            first["loc"] = ("body",)
        return problem(bad_field(first))

    @app.exception_handler(HTTPException)
    async def refuse_otherwise(request: Request, error: HTTPException) -> Response:
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if error.status_code == 404 and wants_page and not request.url.path.startswith("/api/"):
            return page(STATIC / "index.html", request.scope)
        body = {
            "type": "about:blank",
            "title": error.detail,
            "status": error.status_code,
            "detail": error.detail,
        }
        return JSONResponse(
            body, error.status_code, media_type="application/problem+json", headers=error.headers
        )

    told = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            problems.declare(told())
            stream.declare(told())
            frames.declare(told())
        return told()

    app.openapi = openapi  # type: ignore[method-assign]

    if STATIC.is_dir():
        app.add_route("/", lambda request: page(STATIC / "index.html", request.scope))
        app.mount("/", Page(directory=STATIC))
    return app


def open_store(settings: Settings) -> Store | None:
    """The store that the settings name; None if recording is off. Raises `StoreError`."""
    if not settings.record:
        return None
    store = Store(settings.database_url, settings.home, patient=True)
    if store.trouble:
        logger.warning("nothing is recorded until that is possible again (%s)", store.trouble)
    return store


def create_server(settings: Settings, store: Store | None = None, **others: Any) -> uvicorn.Server:
    """The server of the application, `run` with a listening socket. `others`: of `create_app`."""
    http, socket = protocols(settings)
    config = uvicorn.Config(
        create_app(settings, store, **others),
        log_level="warning",
        http=http,
        ws=socket,
        # A message a little too large is read, so that its sender gets an error (see stream.py): a
        # socket closed with data unread is reset, and the reason lost.
        ws_max_size=16 * settings.max_body,
        proxy_headers=False,  # forwarded.py reads them
        ws_per_message_deflate=False,  # pictures hardly shrink, and the time is taken from training
        timeout_graceful_shutdown=FINAL_WAIT,
    )
    return uvicorn.Server(config)


class Page(StaticFiles):
    """The built page; assets are kept by browsers for ever, the page itself is asked for each time."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file, with how long it may be kept."""
        response = super().file_response(*args, **kwargs)
        hashed = "/assets/" in str(args[0])
        response.headers.setdefault("Cache-Control", FOREVER if hashed else "no-cache")
        return response
