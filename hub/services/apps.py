"""GitHub Apps: registration, installation, tokens and their deliveries."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.auth import issue_installation_token
from hub.context import Hub
from hub.errors import ApiError, not_found, suspended
from hub.manifest import Manifest, parse
from hub.services import accounts
from hub.store import Row, timestamp
from hub.views.accounts import Json, user
from hub.views.apps import installation as show_installation
from hub.views.repos import repository_stub

WITHHELD = "SELECT repository_id FROM withheld WHERE installation_id = ?"
MANIFEST_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Registered:
    """An app just registered, with the secrets that are shown only once."""

    app: Row
    private_key: str
    client_secret: str


def register(hub: Hub, manifest: Manifest, owner: Row) -> Registered:
    """Make an app from its manifest and install it on every owner of a repository."""
    private, public = _key_pair()
    slug = manifest.slug
    with hub.store.transaction():
        if hub.store.one("SELECT 1 FROM apps WHERE slug = ?", slug):
            raise ApiError(422, "Validation Failed", ["Name is already in use"])
        bot = accounts.ensure(hub.store, f"{slug}[bot]", "Bot")
        app_id = hub.store.insert(
            "apps",
            slug=slug,
            owner_id=owner["id"],
            bot_id=bot["id"],
            client_id="Iv23li" + secrets.token_hex(7),
            public_key=public,
            webhook_secret=secrets.token_hex(20),
            created_at=hub.store.now(),
            **_described(hub, manifest),
        )
        app = accounts.need_app(hub.store, app_id)
        if app["webhook_url"]:
            hub.outbox.add(app, "ping", _ping(hub, app))
        install_everywhere(hub, app)
    return Registered(app, private, secrets.token_hex(20))


def update(hub: Hub, app: Row, manifest: Manifest) -> Row:
    """Bring a registered app up to date with its manifest; owners accept new permissions at once."""
    with hub.store.transaction():
        hub.store.update("apps", app["id"], **_described(hub, manifest))
        fresh = accounts.need_app(hub.store, app["id"])
        install_everywhere(hub, fresh)
    return fresh


def _described(hub: Hub, manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "description": manifest.description,
        "external_url": manifest.url,
        "webhook_url": manifest.webhook_url,
        "permissions": json.dumps({"metadata": "read", **manifest.permissions}),
        "events": json.dumps(list(manifest.events)),
        "updated_at": hub.store.now(),
    }


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _ping(hub: Hub, app: Row) -> Json:
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": app["id"],
        "hook": {
            "type": "App",
            "id": app["id"],
            "name": "web",
            "active": True,
            "events": json.loads(app["events"]),
            "config": {"content_type": "json", "insecure_ssl": "0", "url": app["webhook_url"]},
            "updated_at": app["updated_at"],
            "created_at": app["created_at"],
            "app_id": app["id"],
            "deliveries_url": f"{hub.urls.api}/app/hook/deliveries",
        },
    }


def install_everywhere(hub: Hub, app: Row) -> None:
    """Install an app on every account that owns a repository, hasn't got it yet and hasn't taken it off."""
    owners = hub.store.all(
        "SELECT DISTINCT owner_id FROM repositories WHERE owner_id NOT IN"
        " (SELECT account_id FROM installations WHERE app_id = ?"
        " UNION SELECT account_id FROM uninstalls WHERE app_id = ?)",
        app["id"],
        app["id"],
    )
    for owner in owners:
        install(hub, app, accounts.need(hub.store, owner["owner_id"]), accounts.need(hub.store, app["owner_id"]))


def install(hub: Hub, app: Row, account: Row, person: Row) -> None:
    """Install an app on an account, in a person's name; call it inside a transaction."""
    now = hub.store.now()
    number = hub.store.insert(
        "installations", app_id=app["id"], account_id=account["id"], created_at=now, updated_at=now
    )
    payload = {
        "action": "created",
        "installation": show_installation(hub.urls, get_installation(hub, number)),
        "repositories": [repository_stub(repo) for repo in accounts.repositories_of(hub, account["id"])],
        "requester": None,
        "sender": user(hub.urls, person),
    }
    hub.outbox.add(app, "installation", payload, number)


def repository_added(hub: Hub, repo: Row) -> None:
    """Tell the apps of an owner of a new repository, installing those that aren't there yet."""
    for app in hub.store.all("SELECT * FROM apps"):
        row = hub.store.one(
            "SELECT id FROM installations WHERE app_id = ? AND account_id = ?", app["id"], repo["owner_id"]
        )
        if row is None:
            install_everywhere(hub, app)
            continue
        payload = {
            "action": "added",
            "installation": show_installation(hub.urls, get_installation(hub, row["id"])),
            "repository_selection": "all",
            "repositories_added": [repository_stub(repo)],
            "repositories_removed": [],
            "requester": None,
            "sender": user(hub.urls, accounts.need(hub.store, app["owner_id"])),
        }
        hub.outbox.add(app, "installation_repositories", payload, row["id"])


def get_installation(hub: Hub, number: int, app_id: int | None = None) -> Row:
    """Fetch an installation with its app and account; one of another app is not found."""
    row = hub.store.one("SELECT * FROM installations WHERE id = ?", number)
    if row is None or app_id not in {None, row["app_id"]}:
        raise not_found()
    return {
        **row,
        "app": accounts.need_app(hub.store, row["app_id"]),
        "account": accounts.need(hub.store, row["account_id"]),
        "suspended": _suspension(hub, number),
        "withheld": {one["repository_id"] for one in hub.store.all(WITHHELD, number)},
    }


def _suspension(hub: Hub, number: int) -> Row | None:
    row = hub.store.one("SELECT * FROM suspensions WHERE installation_id = ?", number)
    return None if row is None else {**row, "by": accounts.need(hub.store, row["account_id"])}


def repositories(hub: Hub, installation: Row) -> list[Row]:
    """List the repositories that an installation sees."""
    owned = accounts.repositories_of(hub, installation["account_id"])
    return [repo for repo in owned if repo["id"] not in installation["withheld"]]


def installations(hub: Hub, app_id: int) -> list[Row]:
    rows = hub.store.all("SELECT id FROM installations WHERE app_id = ? ORDER BY id", app_id)
    return [get_installation(hub, row["id"]) for row in rows]


def installation_on(hub: Hub, app_id: int, owner_id: int) -> Row:
    """Fetch an app's installation on an account."""
    row = hub.store.one("SELECT id FROM installations WHERE app_id = ? AND account_id = ?", app_id, owner_id)
    if row is None:
        raise not_found()
    return get_installation(hub, row["id"])


@dataclass(frozen=True, slots=True)
class Granted:
    """A fresh installation token and what it opens."""

    token: str
    expires_at: str
    permissions: dict[str, str]
    repositories: list[Row] | None


def grant(hub: Hub, installation: Row, wanted: Json) -> Granted:
    """Make an installation token, narrowed to the repositories and permissions asked for."""
    if installation["suspended"]:
        raise suspended()
    held: dict[str, str] = json.loads(installation["app"]["permissions"])
    permissions = _narrowed(held, wanted.get("permissions"))
    repos = _chosen(repositories(hub, installation), wanted)
    ids = None if repos is None else [repo["id"] for repo in repos]
    with hub.store.transaction():
        hub.store.execute("DELETE FROM tokens WHERE expires_at < ?", timestamp(hub.store.moment()))
        token, expires_at = issue_installation_token(hub.store, installation, permissions, ids)
    return Granted(token, expires_at, permissions, repos)


def _narrowed(held: dict[str, str], wanted: dict[str, str] | None) -> dict[str, str]:
    if not wanted:
        return held
    for name, level in wanted.items():
        if name not in held or (level == "write" and held[name] == "read"):
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **wanted}


def _chosen(repos: list[Row], wanted: Json) -> list[Row] | None:
    names, ids = wanted.get("repositories"), wanted.get("repository_ids")
    if names is None and ids is None:
        return None
    lowered = {str(name).lower() for name in names or ()}
    chosen = [repo for repo in repos if repo["name"].lower() in lowered or repo["id"] in (ids or ())]
    if len(chosen) < len(lowered | set(ids or ())):
        raise ApiError(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    return chosen


def remember_manifest(hub: Hub, text: str) -> str:
    """Keep a manifest that a person agreed to; give the code that turns it into an app within an hour."""
    owner = hub.store.get("SELECT * FROM accounts WHERE type = 'User' ORDER BY id LIMIT 1")
    code = secrets.token_hex(20)
    hub.store.insert("manifest_codes", code=code, manifest=text, owner_id=owner["id"], created_at=hub.store.now())
    return code


def convert(hub: Hub, code: str) -> Registered:
    """Turn a manifest code into an app; a code works once."""
    row = hub.store.one("SELECT * FROM manifest_codes WHERE code = ?", code)
    too_old = timestamp(hub.store.moment() - MANIFEST_LIFE)
    if row is None or row["created_at"] < too_old:
        raise not_found()
    with hub.store.transaction():
        hub.store.execute("DELETE FROM manifest_codes WHERE code = ?", code)
        return register(hub, parse(json.loads(row["manifest"])), accounts.need(hub.store, row["owner_id"]))
