"""REST for GitHub Apps: themselves, their installations, tokens and deliveries."""

from __future__ import annotations

import html
import json
from urllib.parse import urlencode

from aiohttp import web

from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.manifest import BadManifest, parse
from hub.rest.call import Call, Reply, Routes
from hub.services import accounts, apps, installing
from hub.store import Row
from hub.views import apps as views
from hub.views.accounts import Json
from hub.views.repos import repository

routes = Routes()


@routes.add("GET /app")
async def get_app(call: Call) -> Reply:
    app = accounts.need_app(call.hub.store, call.need_app()["id"])
    count = len(apps.installations(call.hub, app["id"]))
    return Reply({**views.app(call.urls, app), "installations_count": count})


@routes.add("GET /app/installations")
async def list_installations(call: Call) -> Reply:
    rows, links = call.page(apps.installations(call.hub, call.need_app()["id"]))
    return Reply([views.installation(call.urls, row) for row in rows], headers=links)


@routes.add("GET /app/installations/{installation_id}")
async def get_installation(call: Call) -> Reply:
    app = call.need_app()
    row = apps.get_installation(call.hub, call.number("installation_id"), app["id"])
    return Reply(views.installation(call.urls, row))


@routes.add("POST /app/installations/{installation_id}/access_tokens")
async def create_token(call: Call) -> Reply:
    app = call.need_app()
    installation = apps.get_installation(call.hub, call.number("installation_id"), app["id"])
    granted = apps.grant(call.hub, installation, call.data)
    answer: Json = {
        "token": granted.token,
        "expires_at": granted.expires_at,
        "permissions": granted.permissions,
        "repository_selection": "all" if granted.repositories is None else "selected",
    }
    if granted.repositories is not None:
        answer["repositories"] = [repository(call.urls, repo) for repo in granted.repositories]
    return Reply(answer, 201)


@routes.add("GET /repos/{owner}/{repo}/installation")
async def repository_installation(call: Call) -> Reply:
    installation = apps.installation_on(call.hub, call.need_app()["id"], call.repo["owner_id"])
    if call.repo["id"] in installation["withheld"]:
        raise not_found()
    return Reply(views.installation(call.urls, installation))


@routes.add("GET /installation/repositories")
async def installation_repositories(call: Call) -> Reply:
    actor = call.actor
    if actor.installation is None:
        raise ApiError(403, "You must authenticate with an installation access token in order to list repositories.")
    repos = accounts.repositories_of(call.hub, actor.installation["account_id"])
    seen = [repo for repo in repos if actor.repository_ids is None or repo["id"] in actor.repository_ids]
    rows, links = call.page(seen)
    answer = {
        "total_count": len(seen),
        "repository_selection": "all" if actor.repository_ids is None else "selected",
        "repositories": [repository(call.urls, repo) for repo in rows],
    }
    return Reply(answer, headers=links)


# Installations, by their app and by people ---------------------------------------------------------


def _mine(call: Call) -> tuple[Row, Row]:
    """Fetch an installation of the calling app, and the person in whose name the app acts."""
    app = call.need_app()
    installation = apps.get_installation(call.hub, call.number("installation_id"), app["id"])
    return accounts.need(call.hub.store, app["owner_id"]), installation


def _managed(call: Call) -> tuple[Row, Row]:
    """Fetch an installation for a person who decides for its account."""
    person = _person(call)
    return person, installing.managed(call.hub, person, call.number("installation_id"))


def _person(call: Call) -> Row:
    if call.actor.account is None or call.actor.app is not None:
        raise ApiError(401, "Requires authentication")
    return call.actor.account


@routes.add("DELETE /app/installations/{installation_id}")
async def delete_installation(call: Call) -> Reply:
    installing.uninstall(call.hub, *_mine(call))
    return Reply(status=204)


@routes.add("PUT /app/installations/{installation_id}/suspended")
async def suspend_installation(call: Call) -> Reply:
    installing.suspend(call.hub, *_mine(call))
    return Reply(status=204)


@routes.add("DELETE /app/installations/{installation_id}/suspended")
async def unsuspend_installation(call: Call) -> Reply:
    installing.unsuspend(call.hub, *_mine(call))
    return Reply(status=204)


@routes.add("GET /user/installations")
async def my_installations(call: Call) -> Reply:
    """List the installations on accounts that a person decides for."""
    person = _person(call)
    known = call.hub.store.all("SELECT id FROM installations ORDER BY id")
    every = (apps.get_installation(call.hub, one["id"]) for one in known)
    rows = [one for one in every if installing.may_manage(call.hub, person, one["account_id"])]
    page, links = call.page(rows)
    shown = [views.installation(call.urls, row) for row in page]
    return Reply({"total_count": len(rows), "installations": shown}, headers=links)


@routes.add("PUT /user/installations/{installation_id}/repositories/{repository_id}")
async def give_repository(call: Call) -> Reply:
    installing.give(call.hub, *_managed(call), call.number("repository_id"))
    return Reply(status=204)


@routes.add("DELETE /user/installations/{installation_id}/repositories/{repository_id}")
async def withhold_repository(call: Call) -> Reply:
    installing.withhold(call.hub, *_managed(call), call.number("repository_id"))
    return Reply(status=204)


# What people do in GitHub's settings, for which it has no REST.


@routes.add("POST /user/installations")
async def install(call: Call) -> Reply:
    app = call.hub.store.one("SELECT id FROM apps WHERE slug = ?", call.data.get("app"))
    account = accounts.by_login(call.hub.store, str(call.data.get("account")))
    if app is None or account is None:
        raise not_found()
    row = installing.install(call.hub, _person(call), accounts.need_app(call.hub.store, app["id"]), account)
    return Reply(views.installation(call.urls, row), 201)


@routes.add("DELETE /user/installations/{installation_id}")
async def uninstall(call: Call) -> Reply:
    installing.uninstall(call.hub, *_managed(call))
    return Reply(status=204)


@routes.add("PUT /user/installations/{installation_id}/suspended")
async def suspend(call: Call) -> Reply:
    installing.suspend(call.hub, *_managed(call))
    return Reply(status=204)


@routes.add("DELETE /user/installations/{installation_id}/suspended")
async def unsuspend(call: Call) -> Reply:
    installing.unsuspend(call.hub, *_managed(call))
    return Reply(status=204)


# Deliveries ----------------------------------------------------------------------------------------


@routes.add("GET /app/hook/deliveries")
async def list_deliveries(call: Call) -> Reply:
    wanted = call.query("status")
    if wanted not in {None, "success", "failure"}:
        raise ApiError(400, "status must be success or failure")
    rows = call.hub.store.all(
        "SELECT id, guid, delivered_at, redelivery, duration, status, status_code, event, action, installation_id,"
        " repository_id, CASE WHEN status_code BETWEEN 200 AND 399 THEN 'success' ELSE 'failure' END AS outcome"
        " FROM deliveries WHERE app_id = ? AND sent = 1 AND outcome = coalesce(?, outcome) ORDER BY id DESC",
        call.need_app()["id"],
        wanted,
    )
    page, links = call.cursor(rows)
    return Reply([views.delivery_item(row) for row in page], headers=links)


@routes.add("GET /app/hook/deliveries/{delivery_id}")
async def get_delivery(call: Call) -> Reply:
    return Reply(views.delivery(_delivery(call)))


@routes.add("POST /app/hook/deliveries/{delivery_id}/attempts")
async def redeliver(call: Call) -> Reply:
    call.hub.outbox.redeliver(_delivery(call))
    return Reply({}, 202)


def _delivery(call: Call) -> Row:
    row = call.hub.store.one(
        "SELECT * FROM deliveries WHERE app_id = ? AND id = ? AND sent = 1",
        call.need_app()["id"],
        call.number("delivery_id"),
    )
    if row is None:
        raise not_found()
    return row


# Manifests -----------------------------------------------------------------------------------------


@routes.add("POST /app-manifests/{code}/conversions")
async def convert_manifest(call: Call) -> Reply:
    """Make the app of a manifest that a person has agreed to."""
    registered = apps.convert(call.hub, call.text("code"))
    answer = {
        **views.app(call.urls, registered.app),
        "client_secret": registered.client_secret,
        "webhook_secret": registered.app["webhook_secret"],
        "pem": registered.private_key,
    }
    return Reply(answer, 201)


async def agree(hub: Hub, request: web.Request) -> web.StreamResponse:
    """Take the form of the manifest flow and send the browser back with a code.

    https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
    """
    form = await request.post()
    try:
        manifest = parse(json.loads(str(form.get("manifest", ""))))
    except (ValueError, BadManifest) as error:
        return web.Response(status=422, text=html.escape(f"The manifest can't be used: {error}"))
    code = apps.remember_manifest(hub, json.dumps(json.loads(str(form["manifest"]))))
    query = urlencode({"code": code, **({"state": request.query["state"]} if "state" in request.query else {})})
    raise web.HTTPFound(f"{manifest.redirect_url or '/'}?{query}")
