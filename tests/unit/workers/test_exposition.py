"""A worker's files are for whoever shows the token, and for nobody where there is none."""

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import aiohttp
import pytest

from app.settings import read_settings
from app.web.artifacts import worker_token
from workers.exposition import expose

if TYPE_CHECKING:
    from workers.archive import Archive

FILE = UUID(int=7)


class Files:
    """Has one file."""

    async def read(self, identity: UUID) -> bytes | None:
        return b"a log" if identity == FILE else None


async def asked(api_token: str | None, token: str, tmp_path: Path) -> int:
    """Return the status with which a worker of these settings answers somebody who shows `token`."""
    settings = read_settings(api_token=api_token, data_dir=tmp_path)
    headers = {"Authorization": f"Bearer {token}"}
    files = cast("Archive", cast("Any", Files()))
    async with (
        expose(settings, files) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/artifacts/{FILE}", headers=headers) as answer,
    ):
        return answer.status


async def test_a_file_is_given_to_whoever_shows_the_token(tmp_path: Path):
    assert await asked("a long token", worker_token("a long token") or "", tmp_path) == 200
    assert await asked("a long token", worker_token("another token") or "", tmp_path) == 401
    assert await asked("a long token", "a long token", tmp_path) == 401


@pytest.mark.parametrize("api_token", [None, " ", " \n"])
async def test_without_a_token_nobody_can_guess_what_opens_the_files(tmp_path: Path, api_token: str | None):
    guessed = hmac.new(b"", b"aurora worker", hashlib.sha256).hexdigest()
    assert await asked(api_token, guessed, tmp_path) == 401
    assert await asked(api_token, "None", tmp_path) == 401
