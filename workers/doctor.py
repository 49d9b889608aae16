"""`aurora doctor`: look at everything that a worker needs, and say what is missing and what to do."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

from app.domain.roles import Tier
from app.errors import AuroraError, ConfigurationError
from app.github.forges import GitHubForges
from app.settings import Settings
from app.storage.deliveries import Inbox
from app.storage.pool import connect
from workers.llm.models import Models
from workers.sandbox.detect import detect
from workers.wiring import forges_of, models_of
from workers.workspace.command import require_git

SECONDS = 15.0  # for each look
PARKED_SHOWN = 5

Look = Callable[[Settings], Awaitable[str]]


async def examine(settings: Settings) -> int:
    """Print one line for each thing; return 0 when all of them are well, 1 otherwise."""
    answers = await asyncio.gather(*(_look(look, settings) for look in LOOKS.values()))
    for name, (well, text) in zip(LOOKS, answers, strict=True):
        print(f"{'ok     ' if well else 'missing'}  {name:<11} {text}")
    return 0 if all(well for well, _ in answers) else 1


async def _look(look: Look, settings: Settings) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(SECONDS):
            return True, await look(settings)
    except TimeoutError:
        return False, f"no answer within {SECONDS:.0f} s"
    except AuroraError as error:
        return False, str(error)
    except (OSError, asyncpg.PostgresError, RedisError) as error:
        return False, f"{type(error).__name__}: {error}"


async def _postgresql(settings: Settings) -> str:
    connection = await asyncpg.connect(settings.database(), timeout=SECONDS)
    try:
        version: str = await connection.fetchval("SHOW server_version")
        if not await connection.fetchval("SELECT to_regclass('projects')::text"):
            raise ConfigurationError(f"PostgreSQL {version} answers, but has no tables: run `aurora migrate`.")
        return f"PostgreSQL {version}"
    finally:
        await connection.close()


async def _deliveries(settings: Settings) -> str:
    pool = await connect(settings.database(), size=1)
    try:
        parked = await Inbox(pool).parked(PARKED_SHOWN)
    finally:
        await pool.close()
    if not parked:
        return "none was given up"
    listed = "; ".join(f"{one.guid} ({one.event}, {one.parked_at:%Y-%m-%d %H:%M}): {one.error}" for one in parked)
    return f"given up, newest first: {listed}"


async def _redis(settings: Settings) -> str:
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(settings.redis(), socket_timeout=SECONDS)
    try:
        info = await client.info("server")
        return f"Redis {info.get('redis_version', '?')}"
    finally:
        await client.aclose()


async def _github(settings: Settings) -> str:
    async with aiohttp.ClientSession() as session:
        forges: GitHubForges = forges_of(settings, session)
        identity = await forges.identity()
        repositories = await forges.all()
        settings.webhook_secret()
        return f"{identity.slug} at {settings.github_api_url}, installed in {len(repositories)} repositories"


async def _model(settings: Settings) -> str:
    models: Models = models_of(settings)
    return ", ".join(f"{tier.value}: {models.of(tier).spec.name}" for tier in Tier)


async def _sandbox(settings: Settings) -> str:
    sandbox = await detect(settings.sandbox)
    if sandbox.name == "none":
        raise ConfigurationError(getattr(sandbox, "reason", "Nothing here can confine untrusted code."))
    return sandbox.name


async def _git(_: Settings) -> str:
    await require_git()
    return "recent enough"


LOOKS: dict[str, Look] = {
    "postgresql": _postgresql,
    "deliveries": _deliveries,
    "redis": _redis,
    "github": _github,
    "model": _model,
    "sandbox": _sandbox,
    "git": _git,
}
