"""Webhook deliveries: what was sent to whom, what was answered, and sending it again."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from hub.errors import ApiError, not_found
from hub.pages.paging import paging
from hub.pages.visit import Pages, Visit, go
from hub.services import accounts
from hub.store import Row

pages = Pages()
LONGEST = 256 * 1024  # characters of a payload that are shown
COLUMNS = (
    "d.id, d.guid, d.event, d.action, d.status, d.status_code, d.duration, d.redelivery, d.sent, d.delivered_at,"
    " d.repository_id, a.name AS app_name"
)


def _owner(visit: Visit) -> Row:
    """Name the person who asks; deliveries are shown to the owner of their app."""
    if visit.account is None:
        raise ApiError(401, "Requires authentication")
    return visit.account


@pages.get("/deliveries")
async def listed(visit: Visit) -> web.StreamResponse:
    owner, event = _owner(visit), visit.request.query.get("event") or None
    where = "FROM deliveries d JOIN apps a ON a.id = d.app_id WHERE a.owner_id = ? AND d.event = coalesce(?, d.event)"
    count = visit.hub.store.value(f"SELECT count(*) {where}", owner["id"], event)
    cut = paging(visit.request, count)
    rows = visit.hub.store.all(
        f"SELECT {COLUMNS} {where} ORDER BY d.id DESC LIMIT ? OFFSET ?",
        *(owner["id"], event, cut.size, cut.start),
    )
    events = visit.hub.store.all(
        "SELECT d.event, count(*) AS n FROM deliveries d JOIN apps a ON a.id = d.app_id WHERE a.owner_id = ?"
        " GROUP BY d.event ORDER BY d.event",
        owner["id"],
    )
    return visit.page("deliveries.html", rows=rows, events=events, event=event, paging=cut)


@pages.get("/deliveries/{delivery_id:\\d+}")
async def one(visit: Visit) -> web.StreamResponse:
    row = _find(visit)
    attempts = visit.hub.store.all("SELECT * FROM deliveries WHERE guid = ? ORDER BY id", row["guid"])
    repo = accounts.repository_by_id(visit.hub, row["repository_id"]) if row["repository_id"] else None
    return visit.page(
        "delivery.html",
        row=row,
        attempts=attempts,
        repo=repo,
        request_headers=json.loads(row["request_headers"]),
        response_headers=json.loads(row["response_headers"]),
        payload=_readable(json.loads(row["payload"])),
    )


def _readable(payload: Any) -> str:
    text = json.dumps(payload, indent=2, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n… the rest is left out here"


@pages.post("/deliveries/{delivery_id:\\d+}/attempts")
async def redeliver(visit: Visit) -> web.StreamResponse:
    """Send a delivery once more, under the same id."""
    visit.hub.outbox.redeliver(_find(visit))
    newest = visit.hub.store.value("SELECT max(id) FROM deliveries")
    return go(f"/deliveries/{newest}")


def _find(visit: Visit) -> Row:
    row = visit.hub.store.one(
        "SELECT d.*, a.name AS app_name FROM deliveries d JOIN apps a ON a.id = d.app_id"
        " WHERE a.owner_id = ? AND d.id = ?",
        _owner(visit)["id"],
        visit.number("delivery_id"),
    )
    if row is None:
        raise not_found()
    return row
