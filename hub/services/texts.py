"""What people write: checked, and compared with what was there."""

from __future__ import annotations

from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import invalid, malformed
from hub.permissions import at_least
from hub.services import accounts
from hub.store import Row
from hub.views.accounts import Json

LONGEST_BODY = 65_536


def checked_title(title: Any, resource: str) -> str:
    if title is None:
        raise malformed('"title" wasn\'t supplied.')
    if not isinstance(title, str | int) or isinstance(title, bool):
        raise malformed(f"For 'properties/title', {str(title)[:60]!r} is not a string.")
    text = str(title).strip()
    if not text:
        raise invalid(resource, "title", "missing_field")
    if len(text) > 256:
        raise invalid(resource, "title", "custom", "title is too long (maximum is 256 characters)")
    return text


def checked_body(body: Any, resource: str, *, needed: bool = False) -> str | None:
    """Refuse a body that GitHub couldn't hold."""
    if body is not None and not isinstance(body, str):
        raise malformed(f"For 'properties/body', {body!r} is not a string.")
    if needed and body is None:
        raise malformed('"body" wasn\'t supplied.')
    if needed and not (body or "").strip():
        raise invalid(resource, "body", "missing_field")
    if body is not None and len(body) > LONGEST_BODY:
        message = f"body is too long (maximum is {LONGEST_BODY} characters)"
        raise invalid(resource, "body", "custom", message)
    return body


def edited_text(before: Row, data: Json, resource: str) -> dict[str, Any]:
    """Name what really changes of a title and a body."""
    wanted: dict[str, Any] = {}
    if data.get("title") is not None:
        wanted["title"] = checked_title(data["title"], resource)
    if "body" in data:
        wanted["body"] = checked_body(data["body"], resource)
    return {name: value for name, value in wanted.items() if value != before[name]}


def may_edit(hub: Hub, actor: Actor, repo: Row, author_id: int) -> bool:
    """Tell whether a person may edit what somebody wrote."""
    if actor.is_installation:
        return True
    account = actor.account
    mine = account is not None and account["id"] == author_id
    return mine or at_least(accounts.role(hub.store, repo, account), "write")
