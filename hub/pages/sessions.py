"""Who sits at the browser: a signed cookie, and a token in every form against forgery."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from aiohttp import web

LIFE = timedelta(days=14)
ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Session:
    """One browser: its cookie, and the account that it signed in as."""

    cookie: str
    account_id: int | None
    fresh: bool  # the browser doesn't have this cookie yet


class Sessions:
    """Issue and read cookies; nothing of them is stored but the key that signs them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def begin(self, account_id: int | None) -> Session:
        """Start a session, for somebody or for nobody yet."""
        claims = {"jti": secrets.token_urlsafe(16), "exp": datetime.now(UTC) + LIFE}
        if account_id is not None:
            claims["sub"] = str(account_id)
        return Session(jwt.encode(claims, self._key, ALGORITHM), account_id, fresh=True)

    def of(self, request: web.Request) -> Session:
        """Read a browser's session; one without a good cookie gets a new one."""
        cookie = request.cookies.get(cookie_name(request), "")
        try:
            claims = jwt.decode(cookie, self._key, [ALGORITHM], options={"require": ["exp", "jti"]})
        except jwt.InvalidTokenError:
            return self.begin(None)
        return Session(cookie, int(claims["sub"]) if "sub" in claims else None, fresh=False)

    def form_token(self, session: Session) -> str:
        """Give the token that proves a form to come from a page of this session."""
        return hmac.new(self._key, b"form:" + session.cookie.encode(), hashlib.sha256).hexdigest()

    def is_from_our_page(self, session: Session, request: web.Request, token: str) -> bool:
        """Tell whether a form was sent from a page that this session was shown."""
        origin = request.headers.get("Origin")
        same = origin is None or origin == f"{request.scheme}://{request.host}"
        return same and hmac.compare_digest(self.form_token(session).encode(), token.encode())


def cookie_name(request: web.Request) -> str:
    """Name the cookie after the port: browsers keep those of all ports of a host together."""
    return f"hub-session-{request.url.port}"


def set_cookie(request: web.Request, response: web.StreamResponse, session: Session) -> None:
    """Hand a session to the browser, for this site alone and out of reach of scripts."""
    response.set_cookie(
        cookie_name(request),
        session.cookie,
        max_age=int(LIFE.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=request.secure,
    )


def signing_key(path: Path) -> bytes:
    """Read the key that signs cookies, making it at the first start."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    key = path.read_bytes()
    if len(key) != 32:  # a start that was killed between making the file and writing it
        path.unlink()
        return signing_key(path)
    return key
