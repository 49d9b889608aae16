"""Sign in as a person of the hub, and out again."""

from __future__ import annotations

import re

from aiohttp import web

from hub import auth
from hub.errors import ApiError
from hub.pages.neighbour import is_same_person
from hub.pages.sessions import Session, set_cookie
from hub.pages.visit import Pages, Visit, go
from hub.store import Row

pages = Pages()
UNKNOWN = "No person has this token. Those of this hub's people are in `hub.json` in its data directory."


def owner_of_hub(visit: Visit) -> Row | None:
    """Give the person whom a browser on this machine may sign in as without a token."""
    if not is_same_person(visit.request):
        return None
    return visit.hub.store.one("SELECT * FROM accounts WHERE type = 'User' ORDER BY id LIMIT 1")


@pages.get("/login")
async def ask(visit: Visit) -> web.StreamResponse:
    return _form(visit, visit.request.query.get("next", "/"))


def _form(visit: Visit, following: str, problem: str = "") -> web.Response:
    status = 422 if problem else 200
    return visit.page("login.html", status, person=owner_of_hub(visit), following=following, problem=problem)


@pages.post("/login")
async def sign_in(visit: Visit) -> web.StreamResponse:
    """Sign in by a token, or without one on the machine where the hub runs."""
    following = visit.field("next")
    if visit.field("as") == "owner":
        account = owner_of_hub(visit)
        if account is None:
            raise ApiError(403, "Signing in without a token works only in a browser on the machine that runs the hub.")
    else:
        account = _by_token(visit)
    if account is None:
        return _form(visit, following, UNKNOWN)
    return _begin(visit, visit.become(account["id"]), following)


def _by_token(visit: Visit) -> Row | None:
    try:
        actor = auth.by_token(visit.hub.store, visit.field("token").strip())
    except ApiError:
        return None
    return None if actor.is_installation else actor.account


@pages.post("/logout")
async def sign_out(visit: Visit) -> web.StreamResponse:
    return _begin(visit, visit.become(None), visit.field("next"))


def _begin(visit: Visit, session: Session, following: str) -> web.Response:
    response = go(following if is_local(following) else "/")
    set_cookie(visit.request, response, session)
    return response


def is_local(address: str) -> bool:
    """Tell whether an address is a path of this site, and nothing that a browser takes for another one."""
    return re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", address) is not None
