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
from hub.services import accounts, apps
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
    app = call.need_app()
    return Reply(views.installation(call.urls, apps.installation_on(call.hub, app["id"], call.repo["owner_id"])))


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
