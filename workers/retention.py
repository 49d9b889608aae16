"""The scheduled job that removes what was kept for long enough: rows by one worker, files by each for its own disk."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from app import metrics
from app.domain.artifacts import Periods
from app.errors import LeaseLost
from app.storage.lookout import Lookout
from app.storage.pool import STORE_FAILURES
from app.storage.retention import sweep
from workers.tempo import Tempo
from workers.wiring import Worker, utc_now

log = logging.getLogger(__name__)

RETENTION = UUID("0f5c8c0e-6a0b-4f0e-9a3b-7a2d5c1e8b44")  # the lease that lets one worker remove rows at a time
MARK = "retention"
FIRST = 60.0  # seconds after the start: what works for a moment only tidies nothing


async def retain(worker: Worker, tempo: Tempo) -> None:
    """Remove, for ever, what is due; a look that fails is made again with the next one."""
    await asyncio.sleep(min(FIRST, tempo.retain))
    while True:
        try:
            await tidy(worker, timedelta(seconds=tempo.retain))
        except LeaseLost as error:
            log.warning("retention was broken off", extra={"why": str(error)})
        except STORE_FAILURES as error:
            log.warning("retention was broken off", extra={"why": type(error).__name__})
        except Exception:
            log.exception("retention was broken off")
        await asyncio.sleep(tempo.retain)


async def tidy(worker: Worker, every: timedelta) -> None:
    """Remove rows, unless a worker did so lately, and then this worker's own files."""
    lookout = Lookout(worker.pool)
    async with worker.jobs.leases.hold(RETENTION, "retention") as lease:
        last = await lookout.mark(MARK) if lease else None
        if lease and (last is None or utc_now() - last >= every / 2):
            _report(await sweep(worker.pool, lease, worker.settings.periods()))
            await lookout.set_mark(MARK, utc_now())
    _report(await _own_files(worker, worker.settings.periods()))


async def _own_files(worker: Worker, periods: Periods) -> Mapping[str, int]:
    """Remove what this worker's disk has and nobody needs."""
    return {
        "files": await worker.files.tidy(),
        "workspaces": await worker.checkers.prune(periods.workspaces),
        "mirrors": await worker.clones.prune(periods.workspaces),
    }


def _report(removed: Mapping[str, int]) -> None:
    found = {name: number for name, number in removed.items() if number}
    for name, number in found.items():
        metrics.RETENTION_REMOVED.labels(name).inc(number)
    if found:
        log.info("removed what was kept long enough", extra={"removed": found})
