"""Who may see and ask: programs by the operator's token, browsers by a signed cookie that the token buys."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import jwt
from aiohttp import web

LIFE = timedelta(days=7)  # of a session
ALGORITHM = "HS256"
WINDOW = 60.0  # seconds in which wrong tokens from one address are counted
MOST_WRONG = 10
MOST_ADDRESSES = 10_000  # that are remembered
UNSET = "Set AURORA_API_TOKEN to a long random text, such as `openssl rand -hex 24` prints, and start the server again."


@dataclass(frozen=True)
class Visitor:
    """Somebody who may see everything."""

    cookie: str | None  # None: a program with the token


class Refused(Exception):
    """A request by somebody who isn't let in, in words for that somebody."""

    def __init__(self, status: int, detail: str, retry_after: int | None = None) -> None:
        """Say with which status; `retry_after` is in seconds."""
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


@dataclass
class Attempts:
    """Wrong tokens by address, so that nobody tries many."""

    clock: Callable[[], float] = time.monotonic
    _wrong: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def check(self, address: str) -> None:
        """Raise `Refused` when too many tokens from there were wrong lately."""
        times = self._wrong.get(address, deque())
        while times and times[0] <= self.clock() - WINDOW:
            times.popleft()
        if len(times) >= MOST_WRONG:
            wait = int(times[0] + WINDOW - self.clock()) + 1
            raise Refused(429, f"Too many wrong tokens came from this address: try again in {wait} seconds.", wait)

    def wrong(self, address: str) -> None:
        """Note a wrong token."""
        self._wrong.setdefault(address, deque(maxlen=MOST_WRONG)).append(self.clock())
        self._wrong.move_to_end(address)
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)


class Gate:
    """Lets in whoever shows the token or a cookie; nothing of either is stored."""

    def __init__(self, token: str | None, public_url: str | None = None, attempts: Attempts | None = None) -> None:
        """Without a token nobody is let in. Another token ends all sessions: their key is made of it."""
        self._token = token
        self._key = hmac.digest((token or secrets.token_hex()).encode(), b"aurora session", "sha256")
        self._public = urlsplit(public_url or "")
        self._attempts = attempts or Attempts()

    @property
    def is_open(self) -> bool:
        """Whether anybody can be let in at all."""
        return self._token is not None

    def admit(self, request: web.Request) -> Visitor:
        """Return who asks; raises `Refused`."""
        if self._token is None:
            raise Refused(401, f"Nobody can be let in yet. {UNSET}")
        given = request.headers.get("Authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            self._compare(request, token if scheme.lower() == "bearer" else "")
            return Visitor(None)
        cookie = request.cookies.get(self.cookie_name(request), "")
        try:
            jwt.decode(cookie, self._key, [ALGORITHM], options={"require": ["exp", "jti"]})
        except jwt.InvalidTokenError:
            raise Refused(401, "Send the operator's token: Authorization: Bearer TOKEN.") from None
        return Visitor(cookie)

    def admit_write(self, request: web.Request, form_token: str) -> Visitor:
        """Return who wants to change something; a browser has to send it from one of our pages."""
        visitor = self.admit(request)
        if visitor.cookie is not None and not (
            self._is_from_here(request) and _equal(form_token, self.form_token(visitor))
        ):
            raise Refused(403, "This didn't come from a page of this site: reload the page and try again.")
        return visitor

    def sign_in(self, request: web.Request, token: str) -> str:
        """Return the cookie that the token buys; raises `Refused`."""
        if self._token is None:
            raise Refused(403, UNSET)
        if not self._is_from_here(request):
            raise Refused(403, "This didn't come from a page of this site: reload the page and try again.")
        self._compare(request, token)
        claims = {"jti": secrets.token_urlsafe(16), "exp": datetime.now(UTC) + LIFE}
        return jwt.encode(claims, self._key, ALGORITHM)

    def form_token(self, visitor: Visitor) -> str:
        """Return what proves that a form comes from a page that this session was shown."""
        return hmac.new(self._key, f"form:{visitor.cookie}".encode(), hashlib.sha256).hexdigest()

    def set_cookie(self, request: web.Request, response: web.StreamResponse, cookie: str) -> None:
        """Hand a session to the browser, for this site alone and out of reach of scripts."""
        response.set_cookie(
            self.cookie_name(request), cookie, max_age=int(LIFE.total_seconds()), path="/", httponly=True,
            samesite="Lax", secure=self._is_secure(request),
        )  # fmt: skip

    def forget(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the session back."""
        response.del_cookie(
            self.cookie_name(request), path="/", httponly=True, samesite="Lax", secure=self._is_secure(request)
        )

    def cookie_name(self, request: web.Request) -> str:
        """Name the cookie after the port: browsers keep those of all ports of a host together."""
        return f"aurora-session-{request.url.port}"

    def _compare(self, request: web.Request, token: str) -> None:
        address = request.remote or ""
        self._attempts.check(address)
        if not _equal(token.strip(), self._token or ""):
            self._attempts.wrong(address)
            raise Refused(401, "That isn't the operator's token, which is in AURORA_API_TOKEN on the server.")

    def _is_from_here(self, request: web.Request) -> bool:
        """Tell whether a browser says that a page of this site sent it; old browsers say nothing."""
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        here, asks = {request.host, self._public.netloc}, urlsplit(origin).netloc
        return bool(asks) and asks in here  # pages without an address (`null`) are nobody's

    def _is_secure(self, request: web.Request) -> bool:
        behind = request.headers.get("X-Forwarded-Proto", "").lower() == "https"
        return request.secure or behind or (self._public.scheme == "https" and request.host == self._public.netloc)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
