"""GitHub Apps, installations, tokens and deliveries as JSON."""

from __future__ import annotations

import json
from typing import Any

from hub.store import Row
from hub.views.accounts import Json, user
from hub.views.urls import Urls, node_id


def app(urls: Urls, row: Row) -> Json:
    """Show an app as `integration`."""
    return {
        "id": row["id"],
        "slug": row["slug"],
        "node_id": node_id("Integration", row["id"]),
        "client_id": row["client_id"],
        "owner": user(urls, row["owner"]),
        "name": row["name"],
        "description": row["description"],
        "external_url": row["external_url"],
        "html_url": f"{urls.web}/apps/{row['slug']}",
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "permissions": json.loads(row["permissions"]),
        "events": json.loads(row["events"]),
    }


def maybe_app(urls: Urls, row: Row | None) -> Json | None:
    return None if row is None else app(urls, row)


def installation(urls: Urls, row: Row) -> Json:
    """Show an installation of an app on an account."""
    owner, suspended = row["app"], row["suspended"]
    return {
        "id": row["id"],
        "account": _account(urls, row["account"]),
        "repository_selection": "selected" if row["withheld"] else "all",
        "access_tokens_url": f"{urls.api}/app/installations/{row['id']}/access_tokens",
        "repositories_url": f"{urls.api}/installation/repositories",
        "html_url": f"{urls.web}/settings/installations/{row['id']}",
        "app_id": owner["id"],
        "app_slug": owner["slug"],
        "client_id": owner["client_id"],
        "target_id": row["account"]["id"],
        "target_type": row["account"]["type"],
        "permissions": json.loads(owner["permissions"]),
        "events": json.loads(owner["events"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user(urls, suspended["by"]) if suspended else None,
        "suspended_at": suspended["suspended_at"] if suspended else None,
    }


def _account(urls: Urls, account: Row) -> Json:
    """Show the account of an installation, which GitHub describes as a user and an enterprise at once."""
    also = {"name": account["name"] or account["login"], "slug": account["login"]}
    dates = {"created_at": account["created_at"], "updated_at": account["created_at"]}
    return {**user(urls, account), **also, **dates}


def delivery_item(row: Row) -> Json:
    """Show one attempt to deliver, without its contents."""
    return {
        "id": row["id"],
        "guid": row["guid"],
        "delivered_at": row["delivered_at"],
        "redelivery": bool(row["redelivery"]),
        "duration": row["duration"],
        "status": row["status"],
        "status_code": row["status_code"],
        "event": row["event"],
        "action": row["action"],
        "installation_id": row["installation_id"],
        "repository_id": row["repository_id"],
        "throttled_at": None,
    }


def delivery(row: Row) -> Json:
    """Show one attempt to deliver with what was sent and what came back."""
    contents: dict[str, Any] = {
        "url": row["url"] or "",
        "request": {"headers": json.loads(row["request_headers"]), "payload": json.loads(row["payload"])},
        "response": {"headers": json.loads(row["response_headers"]), "payload": row["response_body"]},
    }
    return {**delivery_item(row), **contents}
