"""Files of logs on this worker's disk: written whole or not at all, served by id, removed once no row has them."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID, uuid4

from app.domain.artifacts import Artifact, ArtifactKind, Periods, artifact_id
from app.logs import redact
from app.storage.artifacts import Artifacts

log = logging.getLogger(__name__)

LARGEST = 4_000_000  # characters; what is left out is in the middle
GRACE = 86_400.0  # seconds that a file may wait for its row
AT_ONCE = 1000


class Archive:
    """Implements `Archive` under a data directory."""

    def __init__(self, data_dir: Path, artifacts: Artifacts, clock: Callable[[], datetime], periods: Periods) -> None:
        """Use `artifacts` of the data directory, which gets an id of its own when it is first used."""
        self._home = data_dir.resolve() / "artifacts"
        self._artifacts, self._clock, self._periods = artifacts, clock, periods
        self._store: UUID | None = None

    @property
    def store(self) -> UUID:
        """The id of the data directory, shared by all workers that use it."""
        if self._store is None:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            named = self._home / "store"
            if not named.exists():
                unfinished = _written(self._home, str(uuid4()).encode())
                try:
                    os.link(unfinished, named)  # whoever is first names it
                except FileExistsError:
                    pass
                finally:
                    unfinished.unlink()
            self._store = UUID(named.read_text())
        return self._store

    async def keep(
        self, project: UUID, kind: ArtifactKind, name: str, title: str, text: str, task: UUID | None = None
    ) -> Artifact | None:
        """Write a file; a disk that doesn't take it costs the log, not the work that it tells of."""
        identity = artifact_id(project, kind, name)
        content = _shortened(redact(text)).encode(errors="replace")
        try:
            await asyncio.to_thread(self._write, identity, content)
        except OSError as error:
            log.warning("a log can't be kept", extra={"artifact": str(identity), "why": str(error)})
            return None
        now = self._clock()
        return Artifact(
            id=identity, kind=kind, title=title[:200], task_id=task, store=self.store,
            location=str(self._path(identity).relative_to(self._home)), size=len(content),
            digest=hashlib.sha256(content).hexdigest(), created_at=now, expires_at=now + self._periods.of(kind),
        )  # fmt: skip

    async def read(self, identity: UUID) -> bytes | None:
        """Return a file; None where there is none."""
        try:
            return await asyncio.to_thread(self._path(identity).read_bytes)
        except FileNotFoundError:
            return None

    async def tidy(self) -> int:
        """Remove files that have no row, or lost it; return how many."""
        removed = 0
        files = await asyncio.to_thread(lambda: list(self._old()))
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            known = await self._artifacts.known(self.store, [identity for identity, _ in some if identity])
            for path in (path for identity, path in some if identity not in known):
                await asyncio.to_thread(path.unlink, missing_ok=True)
                removed += 1
        return removed

    def _write(self, identity: UUID, content: bytes) -> None:
        path = self._path(identity)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _written(path.parent, content).replace(path)

    def _path(self, identity: UUID) -> Path:
        return self._home / identity.hex[:2] / f"{identity}.log"

    def _old(self) -> Iterator[tuple[UUID | None, Path]]:
        """Yield every file that is old enough to have a row; None for what was never finished."""
        before = time.time() - GRACE
        for path in self._home.glob("??/*"):
            try:
                if path.stat().st_mtime < before:
                    yield (UUID(path.stem) if path.suffix == ".log" else None), path
            except (FileNotFoundError, ValueError):
                continue  # somebody else's, or gone


def _written(folder: Path, content: bytes) -> Path:
    """Write a file that nobody looks for yet, as far as the disk."""
    with NamedTemporaryFile(dir=folder, suffix=".new", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)


def _shortened(text: str) -> str:
    if len(text) <= LARGEST:
        return text
    half = LARGEST // 2
    return f"{text[:half]}\n\n[… {len(text) - LARGEST} characters left out …]\n\n{text[-half:]}"
