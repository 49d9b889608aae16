"""Removes what nobody has used for a while: results, environments, and the scratch of processes that are gone."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

_ABANDONED = timedelta(hours=6)  # longer than any run


def prune(home: Path, keep: timedelta) -> int:
    """Remove what is older than `keep` under the data directory; return the number of things removed.

    An environment counts by its last use. One that is needed again is built again.
    """
    now, removed = time.time(), 0
    for path in home.glob("results/??/*.json"):
        removed += _remove(path, now - keep.total_seconds())
    for marker in home.glob("environments/*.json"):
        if marker.stat().st_mtime < now - keep.total_seconds():
            removed += _remove(marker, now)  # first: without it the rest is no environment
            for place in (marker.with_suffix(""), *home.glob(f"environments/{marker.stem}.[0-9]*")):
                shutil.rmtree(place, ignore_errors=True)
    for path in home.glob("caches/*"):
        removed += _remove(path, now - keep.total_seconds())
    for path in (home / "scratch").glob("*"):
        removed += _remove(path, now - _ABANDONED.total_seconds())
    return removed


def _remove(path: Path, before: float) -> int:
    try:
        if path.stat().st_mtime >= before:
            return 0
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except FileNotFoundError:
        return 0
    return 1
