"""What nobody has used for a while goes; what was used lately stays."""

import os
import time
from datetime import timedelta
from pathlib import Path

from workers.checkpoints.retention import prune


def place(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_old_results_environments_and_scratch_go(tmp_path):
    old = [place(tmp_path / "results/ab/old.json", 40), place(tmp_path / "environments/old.json", 40)]
    old += [place(tmp_path / "environments/old/venv/x", 1), place(tmp_path / "scratch/left", 1)]
    new = [place(tmp_path / "results/ab/new.json", 2), place(tmp_path / "environments/new.json", 2)]
    new += [place(tmp_path / "environments/building/venv/x", 50), place(tmp_path / "scratch/now", 0)]
    assert prune(tmp_path, timedelta(days=30)) == 3
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in new)


def test_nothing_is_there_yet(tmp_path):
    assert prune(tmp_path / "missing", timedelta(days=1)) == 0
