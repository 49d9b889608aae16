"""The front page, and the pages of people, organisations and apps."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

from aiohttp import web

from hub.errors import ApiError, not_found
from hub.pages.repository import with_counts
from hub.pages.visit import HEADERS, Pages, Visit, go
from hub.services import accounts, apps, installing
from hub.store import Row

pages = Pages()
SHADES = ("#7a4fbf", "#1f6fb2", "#0f7b6c", "#a3511b", "#b03060", "#4b5bb5", "#5a6b1e", "#8a3fa0")


def visible(visit: Visit, owner_id: int | None = None) -> list[Row]:
    """List the repositories that a person may see, the last changed first."""
    rows = visit.hub.store.all(
        "SELECT * FROM repositories WHERE owner_id = coalesce(?, owner_id) ORDER BY pushed_at DESC, id DESC", owner_id
    )
    seen = [row for row in rows if accounts.role(visit.hub.store, row, visit.account) is not None]
    return [with_counts(visit, accounts.repository_by_id(visit.hub, row["id"])) for row in seen]


@pages.get("/")
async def home(visit: Visit) -> web.StreamResponse:
    return visit.page("home.html", title="Repositories", repositories=visible(visit), account=None)


@pages.get("/{owner}")
async def owner(visit: Visit) -> web.StreamResponse:
    account = accounts.by_login(visit.hub.store, visit.part("owner"))
    if account is None:
        raise not_found()
    return visit.page("home.html", title=account["login"], repositories=visible(visit, account["id"]), account=account)


@pages.get("/apps/{slug}")
async def app(visit: Visit) -> web.StreamResponse:
    """Show what an app is allowed to do and hear."""
    row = visit.hub.store.one("SELECT * FROM apps WHERE slug = ?", visit.part("slug"))
    if row is None:
        raise not_found()
    bot = accounts.need(visit.hub.store, row["bot_id"])
    permissions, events = json.loads(row["permissions"]), json.loads(row["events"])
    places = _places(visit, row) if visit.account else []
    return visit.page("app.html", app=row, bot=bot, permissions=permissions, events=events, places=places)


def _places(visit: Visit, app: Row) -> list[Row]:
    """List the accounts that a person decides for, with the app's installation and the repositories of each."""
    hub, found = visit.hub, []
    for owner in hub.store.all("SELECT DISTINCT owner_id AS id FROM repositories ORDER BY owner_id"):
        if installing.may_manage(hub, visit.account, owner["id"]):
            number = hub.store.value(
                "SELECT id FROM installations WHERE app_id = ? AND account_id = ?", app["id"], owner["id"]
            )
            installation = apps.get_installation(hub, number) if number else None
            repos = accounts.repositories_of(hub, owner["id"])
            account = accounts.need(hub.store, owner["id"])
            found.append({"account": account, "installation": installation, "repositories": repos})
    return found


@pages.post("/apps/{slug}/installations")
async def install(visit: Visit) -> web.StreamResponse:
    """Install the app on an account where it was taken off."""
    app = visit.hub.store.one("SELECT id FROM apps WHERE slug = ?", visit.part("slug"))
    account = accounts.by_login(visit.hub.store, visit.field("account"))
    if app is None or account is None:
        raise not_found()
    installing.install(visit.hub, _somebody(visit), accounts.need_app(visit.hub.store, app["id"]), account)
    return go(f"/apps/{quote(visit.part('slug'))}")


CHANGES = {"delete": installing.uninstall, "suspend": installing.suspend, "unsuspend": installing.unsuspend}
REPOSITORIES = {"withhold": installing.withhold, "give": installing.give}


@pages.post("/settings/installations/{installation_id:\\d+}")
async def manage(visit: Visit) -> web.StreamResponse:
    """Uninstall or suspend an app, or choose what it sees."""
    person, action = _somebody(visit), visit.field("action")
    installation = installing.managed(visit.hub, person, visit.number("installation_id"))
    number = visit.field("repository")
    if action in CHANGES:
        CHANGES[action](visit.hub, person, installation)
    elif action in REPOSITORIES and number.isdecimal() and len(number) < 16:
        REPOSITORIES[action](visit.hub, person, installation, int(number))
    else:
        raise not_found()
    return go(f"/apps/{quote(installation['app']['slug'])}")


def _somebody(visit: Visit) -> Row:
    if visit.account is None:
        raise ApiError(401, "Requires authentication")
    return visit.account


@pages.get("/settings/installations/{installation_id:\\d+}")
async def installation(visit: Visit) -> web.StreamResponse:
    """Lead from the address of an installation to where it is managed."""
    row = installing.managed(visit.hub, _somebody(visit), visit.number("installation_id"))
    return go(f"/apps/{quote(row['app']['slug'])}")


@pages.get("/avatars/{account_id:\\d+}")
async def avatar(visit: Visit) -> web.StreamResponse:
    """Draw an account's picture: its first letter on a colour of its own."""
    account = accounts.by_id(visit.hub.store, visit.number("account_id"))
    if account is None:
        raise not_found()
    radius = 8 if account["type"] != "User" else 20
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" width="40" height="40">'
        f'<rect width="40" height="40" rx="{radius}" fill="{SHADES[account["id"] % len(SHADES)]}"/>'
        '<text x="20" y="27" font-family="system-ui,sans-serif" font-size="20" font-weight="600" text-anchor="middle"'
        f' fill="#fff">{html.escape(account["login"][:1].upper())}</text></svg>'
    )
    headers = {**HEADERS, "Cache-Control": "private, max-age=86400"}
    return web.Response(text=picture, content_type="image/svg+xml", headers=headers)
