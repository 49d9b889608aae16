"""Credentials for GitHub: the app's JSON web token, and a short-lived token for each installation."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gidgethub.apps import get_jwt

from app.domain.ports import Clock
from app.errors import ConfigurationError

JWT_SECONDS = 9 * 60  # GitHub allows ten minutes, counted from an issue time that is backdated by one
RENEW_BEFORE = timedelta(minutes=5)
FRESH = timedelta(seconds=15)  # a new token may be refused by a replica that hasn't heard of it yet
FRESH_PAUSE = 1.0  # seconds
HEARD_OF_BY_NOW = timedelta(seconds=4)  # after the first refusal a fresh token counts as revoked

Sleep = Callable[[float], Awaitable[None]]


class Credentials(Protocol):
    """What a client shows to GitHub."""

    async def header(self) -> str:
        """Return the Authorization header for the next request."""
        ...

    async def refused(self, header: str, /) -> bool:
        """React to a 401; return whether another try can help, after any wait that it needs."""
        ...


class AppCredentials:
    """The app itself: a token signed with its private key, for the few endpoints that ask for it."""

    def __init__(self, app_id: int, private_key: str) -> None:
        """Take the key in PEM."""
        self._app_id = str(app_id)
        self._private_key = private_key

    async def header(self) -> str:
        """Return a bearer token that is valid for some minutes."""
        try:
            token = get_jwt(app_id=self._app_id, private_key=self._private_key, expiration=JWT_SECONDS)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"The GitHub App's private key can't be used: {error}") from None
        return f"Bearer {token}"

    async def refused(self, _header: str, /) -> bool:
        """Give up: a new signature would be refused for the same reason."""
        return False


@dataclass(frozen=True)
class Token:
    """An installation's token."""

    value: str
    issued_at: datetime  # by this machine's clock
    expires_at: datetime


class InstallationCredentials:
    """The token of one installation, renewed ahead of its end; concurrent callers share one request."""

    def __init__(
        self, ask: Callable[[], Awaitable[tuple[str, datetime]]], clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        """`ask` requests a new token from GitHub and returns it with its end."""
        self._ask = ask
        self._clock = clock
        self._sleep = sleep
        self._token: Token | None = None
        self._refused_since: datetime | None = None
        self._renewal = asyncio.Lock()

    async def token(self) -> str:
        """Return a token that holds for at least five minutes."""
        async with self._renewal:
            now = self._clock()
            if self._token is None or self._token.expires_at - now <= RENEW_BEFORE:
                value, expires_at = await self._ask()
                self._token, self._refused_since = Token(value, now, expires_at), None
            return self._token.value

    async def header(self) -> str:
        """Return the header with the current token."""
        return f"Bearer {await self.token()}"

    async def refused(self, header: str, /) -> bool:
        """Wait where the token is so new that GitHub may not know it everywhere, drop it otherwise."""
        token = self._token
        if token is None or header != f"Bearer {token.value}":
            return True  # renewed meanwhile
        now = self._clock()
        self._refused_since = self._refused_since or now
        if now - token.issued_at < FRESH and now - self._refused_since < HEARD_OF_BY_NOW:
            await self._sleep(FRESH_PAUSE)
        else:
            self._token = None
        return True
