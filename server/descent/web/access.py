"""Access over REST: coming in, who one is, the keys and the people of this server."""

from __future__ import annotations

import io
from dataclasses import asdict, replace

import segno
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from descent.access import Book, Person, Role
from descent.access.book import DAY, MOST_NAME
from descent.errors import NotPermitted, WrongToken
from descent.settings import Settings
from descent.web.door import ANYONE, LONGEST, TEACHER, VIEWER, Asking, Wrong, address, cookie
from descent.web.forwarded import behind_tls
from descent.web.prefix import prefix_of

router = APIRouter(prefix="/api", tags=["access"])


class Me(BaseModel):
    """Who asks."""

    id: str = Field(description="What one's runs are marked with; empty on a server that asks nobody.")
    role: Role | None = Field(description="Null for somebody who has to come in first.")
    name: str
    guarded: bool = Field(description="Whether this server asks for keys.")
    cluster: bool = Field(description="Whether runs train on a cluster, not on the server's machine.")


class Entering(BaseModel):
    """A key, and what one wants to be called."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=LONGEST)
    name: str = Field("", max_length=10 * MOST_NAME)


class Named(BaseModel):
    """What one wants to be called."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=10 * MOST_NAME)


class NewKey(BaseModel):
    """A key to hand out."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    label: str = Field("", max_length=10 * MOST_NAME)
    days: float | None = Field(None, gt=0, le=3650, description="By default as the setting ACCESS_DAYS.")


class KeyInfo(BaseModel):
    """A key that was handed out; its token is kept nowhere."""

    id: str
    role: Role
    label: str
    created: float = Field(description="Seconds since the epoch.")
    expires: float
    people: int = Field(description="How many came by it.")


class MadeKey(KeyInfo):
    """A key just made."""

    token: str = Field(description="Shown this once. A link is `/enter#<token>`; programs send it as bearer.")


class PersonInfo(BaseModel):
    """Somebody who came in."""

    id: str
    role: Role
    name: str
    key: str
    expires: float


class Link(BaseModel):
    """What a QR code says."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=1000)


class Revoked(BaseModel):
    """How many people are no longer let in."""

    people: int


def _book(request: Request) -> Book:
    """Raises `NotPermitted` on a server that asks nobody: it has no keys."""
    book: Book | None = request.app.state.book
    if book is None:
        raise NotPermitted(
            "this server asks nobody for a key (settings HOST, NO_AUTH)", "key", reason="unguarded"
        )
    return book


def _home(request: Request) -> str:
    """The path below which this server is asked."""
    return f"{prefix_of(request.scope)}/"


@router.get("/me", dependencies=[ANYONE])
async def me(request: Request) -> Me:
    """Who asks, and whether that matters here."""
    return _me(request, request.state.person)


@router.post("/enter", dependencies=[ANYONE])
async def enter(body: Entering, request: Request, response: Response) -> Me:
    """Come in by a key. Whoever is known already, with the role that it gives, stays who they are."""
    book, wrong = _book(request), request.app.state.wrong
    assert isinstance(wrong, Wrong)
    known: Person | None = request.state.person
    try:
        if known is not None and book.bearer(body.key).role == known.role:
            return _me(request, known)
        person, token = book.enter(body.key, body.name)
    except WrongToken as error:
        wrong.count(address(request.scope), error)
        raise
    settings: Settings = request.app.state.settings
    response.set_cookie(
        cookie(request.scope),
        token,
        max_age=round(settings.access_days * DAY),
        path=_home(request),
        httponly=True,
        samesite="lax",  # a link to a lab, followed from elsewhere, opens as whom one is
        secure=behind_tls(request.scope),
    )
    return _me(request, person)


@router.post("/leave", status_code=204, dependencies=[VIEWER])
async def leave(request: Request, response: Response) -> None:
    """Forget this browser. One's runs stay; by the same key one comes in as somebody new."""
    response.delete_cookie(
        cookie(request.scope),
        _home(request),
        httponly=True,
        samesite="lax",
        secure=behind_tls(request.scope),
    )


@router.patch("/me", dependencies=[VIEWER])
async def rename(body: Named, person: Asking, request: Request) -> Me:
    """Be called otherwise."""
    return _me(request, replace(person, name=_book(request).rename(person.id, body.name)))


@router.get("/access/keys", dependencies=[TEACHER])
async def keys(request: Request) -> list[KeyInfo]:
    """The keys that are valid, the newest first."""
    return [KeyInfo(**asdict(key)) for key in _book(request).all_keys()]


@router.post("/access/keys", status_code=201, dependencies=[TEACHER])
async def new_key(body: NewKey, request: Request) -> MadeKey:
    """Make a key to hand out."""
    settings: Settings = request.app.state.settings
    key, token = _book(request).new_key(body.role, body.label, body.days or settings.access_days)
    return MadeKey(**asdict(key), token=token)


@router.get("/access/people", dependencies=[TEACHER])
async def people(request: Request) -> list[PersonInfo]:
    """Everybody who may come in."""
    return [PersonInfo(**asdict(one)) for one in _book(request).people()]


@router.delete("/access/{id}", dependencies=[TEACHER])
async def revoke(id: str, request: Request) -> Revoked:
    """Revoke a key with everybody who came by it, or let one person in no longer."""
    return Revoked(people=_book(request).revoke(id))


@router.post("/qr", response_class=Response, dependencies=[VIEWER])
async def qr(body: Link) -> Response:
    """A link as QR code: SVG, dark on light, with its quiet zone. It comes in a body: no log has the link."""
    drawn = io.BytesIO()
    segno.make(body.text, micro=False, error="m").save(drawn, kind="svg", scale=8, border=4, light="#fff")
    return Response(drawn.getvalue(), media_type="image/svg+xml")


def _me(request: Request, person: Person | None) -> Me:
    state = request.app.state
    guarded, cluster = state.book is not None, state.settings.executor == "ray"
    if person is None:
        return Me(id="", role=None, name="", guarded=guarded, cluster=cluster)
    return Me(id=person.id, role=person.role, name=person.name, guarded=guarded, cluster=cluster)
