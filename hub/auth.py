"""Who is asking: an app by its signed JWT, an installation or a person by a token."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from hub.errors import ApiError, bad_credentials, suspended
from hub.store import Row, Store, timestamp

TOKEN_LIFE = timedelta(hours=1)
LONGEST_JWT = 10 * 60  # seconds from now to `exp`
EXPIRY = "'Expiration time' claim ('exp')"
CLOCK_DRIFT = 60  # seconds that an app's clock may be ahead


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: an account, and how it came in."""

    account: Row | None = None
    app: Row | None = None
    installation: Row | None = None
    permissions: dict[str, str] | None = None
    repository_ids: frozenset[int] | None = None
    key: str = "anonymous"

    @property
    def is_installation(self) -> bool:
        return self.installation is not None

    @property
    def is_app(self) -> bool:
        """Tell whether this is an app speaking for itself, by JWT."""
        return self.app is not None and self.installation is None

    @property
    def is_anonymous(self) -> bool:
        return self.account is None and self.app is None

    def allows(self, permission: str, level: str) -> bool:
        """Tell whether an installation's token carries a permission."""
        granted = (self.permissions or {}).get(permission)
        return granted in {"write", "admin"} or (level == "read" and granted == "read")


ANONYMOUS = Actor()


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue_user_token(store: Store, account: Row) -> str:
    """Make a personal token for an account; only its hash is kept."""
    token = "ghp_" + secrets.token_hex(18)
    store.insert("tokens", hash=digest(token), account_id=account["id"], created_at=store.now())
    return token


def issue_installation_token(
    store: Store,
    installation: Row,
    permissions: dict[str, str],
    repository_ids: list[int] | None,
) -> tuple[str, str]:
    """Make a token that lives an hour; return it with its end."""
    token = "ghs_" + secrets.token_hex(18)
    expires_at = timestamp(store.moment() + TOKEN_LIFE)
    store.insert(
        "tokens",
        hash=digest(token),
        installation_id=installation["id"],
        permissions=json.dumps(permissions),
        repository_ids=None if repository_ids is None else json.dumps(repository_ids),
        expires_at=expires_at,
        created_at=store.now(),
    )
    return token, expires_at


def by_token(store: Store, token: str) -> Actor:
    """Recognise a personal or installation token; raise 401 for any other."""
    row = store.one("SELECT * FROM tokens WHERE hash = ?", digest(token))
    if row is None or (row["expires_at"] and row["expires_at"] <= store.now()):
        raise bad_credentials()
    if row["installation_id"] is None:
        return Actor(account=_account(store, row["account_id"]), key=row["hash"])
    return _installation_actor(store, row)


def _installation_actor(store: Store, token: Row) -> Actor:
    installation = store.get("SELECT * FROM installations WHERE id = ?", token["installation_id"])
    app = store.get("SELECT * FROM apps WHERE id = ?", installation["app_id"])
    granted: dict[str, str] = json.loads(app["permissions"])
    asked: dict[str, str] = json.loads(token["permissions"])
    if store.one("SELECT 1 FROM suspensions WHERE installation_id = ?", installation["id"]):
        raise suspended()
    return Actor(
        account=_account(store, app["bot_id"]),
        app=app,
        installation=installation,
        permissions={name: level for name, level in asked.items() if name in granted},
        repository_ids=_reach(store, installation, token["repository_ids"]),
        key=token["hash"],
    )


def _reach(store: Store, installation: Row, chosen: str | None) -> frozenset[int] | None:
    """Name the repositories that a token opens; None is all of the account."""
    ids = None if chosen is None else frozenset[int](json.loads(chosen))
    rows = store.all("SELECT repository_id AS id FROM withheld WHERE installation_id = ?", installation["id"])
    if not rows:
        return ids
    owned = store.all("SELECT id FROM repositories WHERE owner_id = ?", installation["account_id"])
    return (frozenset(row["id"] for row in owned) if ids is None else ids) - {row["id"] for row in rows}


def by_jwt(store: Store, token: str) -> Actor:
    """Recognise an app by the JWT that it signed; raise 401 with GitHub's reason."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    issuer = str(claims.get("iss", ""))
    app = store.one("SELECT * FROM apps WHERE CAST(id AS TEXT) = ? OR client_id = ?", issuer, issuer)
    if app is None:
        raise ApiError(401, "Integration not found")
    try:
        jwt.decode(
            token,
            app["public_key"],
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_aud": False, "verify_iss": False},
        )
    except jwt.InvalidTokenError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    _check_times(claims, store.moment())
    return Actor(app=app, account=None, key=f"app:{app['id']}")


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    seconds = now.timestamp()
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int | float):
        raise ApiError(401, "Missing 'exp' claim in assertion")
    if not isinstance(issued, int | float):
        raise ApiError(401, "Missing 'iat' claim in assertion")
    if expires <= seconds:
        raise ApiError(401, f"{EXPIRY} must be a numeric value representing the future time at which it expires")
    if expires > seconds + LONGEST_JWT:
        raise ApiError(401, f"{EXPIRY} is too far in the future")
    if issued > seconds + CLOCK_DRIFT:
        raise ApiError(401, "'Issued at' claim ('iat') must be an Integer representing a time that has passed")


def _account(store: Store, account_id: int) -> Row:
    return store.get("SELECT * FROM accounts WHERE id = ?", account_id)
