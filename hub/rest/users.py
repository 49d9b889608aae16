"""REST for people, and for the caller's own limits."""

from __future__ import annotations

from hub.errors import ApiError, integration_refused, not_found
from hub.rest.call import Call, Reply, Routes
from hub.services import accounts, repos
from hub.store import Row
from hub.views.accounts import private_user, public_user
from hub.views.repos import full_repository, repository

routes = Routes()


@routes.add("GET /rate_limit")
async def rate_limit(_: Call) -> Reply:
    return Reply({})  # the server fills in what it counted


def _person(call: Call) -> Row:
    if call.actor.app is not None:
        raise integration_refused()
    if call.actor.account is None:
        raise ApiError(401, "Requires authentication")
    return call.actor.account


def _owned(call: Call, account: Row) -> list[Row]:
    return accounts.repositories_of(call.hub, account["id"])


@routes.add("GET /user")
async def myself(call: Call) -> Reply:
    person = _person(call)
    return Reply(private_user(call.urls, person, len(_owned(call, person))))


@routes.add("GET /users/{username}")
async def somebody(call: Call) -> Reply:
    account = accounts.by_login(call.hub.store, call.text("username"))
    if account is None:
        raise not_found()
    return Reply(public_user(call.urls, account, len(_owned(call, account))))


@routes.add("GET /user/repos")
async def my_repositories(call: Call) -> Reply:
    rows, links = call.page(_owned(call, _person(call)))
    return Reply([repository(call.urls, row, "admin") for row in rows], headers=links)


@routes.add("POST /user/repos")
async def create_repository(call: Call) -> Reply:
    return await _create(call, _person(call))


@routes.add("POST /orgs/{org}/repos")
async def create_for_organization(call: Call) -> Reply:
    owner = accounts.by_login(call.hub.store, call.text("org"))
    if owner is None or owner["type"] != "Organization":
        raise not_found()
    return await _create(call, owner)


async def _create(call: Call, owner: Row) -> Reply:
    person = _person(call)
    name = call.data.get("name")
    if not isinstance(name, str) or not repos.NAME.fullmatch(name):
        raise ApiError(
            422, "Repository creation failed.", [{"resource": "Repository", "field": "name", "code": "invalid"}]
        )
    repo = await repos.create_repository(call.hub, owner, name, person, call.data)
    return Reply(full_repository(call.urls, repo, "admin"), 201)
