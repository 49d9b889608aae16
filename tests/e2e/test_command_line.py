"""The command line, as a process: what it prints, how it ends, and what it leaves alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.team import REPOSITORIES, make_repository
from workers.local.demo import SAMPLE, make_sample

SCRIPTED = f"scripted:{SAMPLE / 'conversation.yaml'}"


def aurora(*arguments: str, timeout: float = 150, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `aurora` to its end."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("AURORA_", "OPENAI_"))}
    command = [sys.executable, "-m", "workers.cli", *arguments]
    wanted = {**given, **environment}
    return subprocess.run(command, env=wanted, capture_output=True, text=True, timeout=timeout, check=False)


def git(path: Path, *arguments: str) -> str:
    """Return what git says of a repository."""
    return subprocess.run(["git", "-C", path, *arguments], capture_output=True, text=True, check=True).stdout


def test_run_delivers_on_a_copy_and_says_so_in_json(tmp_path: Path):
    """The last line is the whole report; the original repository is as it was; the result can be cloned."""
    repository = make_sample(tmp_path / "ledger")
    before = git(repository, "for-each-ref") + git(repository, "status", "--porcelain", "--ignored")

    ended = aurora(
        "run", "--repo", str(repository), "--issue", str(SAMPLE / "issue.md"), "--model", SCRIPTED,
        "--merge", "auto", "--data", str(tmp_path / "data"), "--json",
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["status"] == "merged"
    assert report["pull_request"]["merged"] is True
    assert {check["conclusion"] for check in report["checks"]} <= {"success", "neutral"}
    assert [(task["id"], task["status"], task["attempts"]) for task in report["tasks"]] == [
        ("t1", "completed", 2),
        ("t2", "completed", 1),
        ("t3", "completed", 1),
    ]
    assert report["model_calls"] == 10
    assert 0 < report["seconds"]["critical_path"] <= report["seconds"]["model"]
    assert git(repository, "for-each-ref") + git(repository, "status", "--porcelain", "--ignored") == before
    git(tmp_path, "clone", "-q", str(tmp_path / "data/hub/git/local/ledger.git"), "result")
    assert (tmp_path / "result/ledger/export.py").exists()


def test_a_model_without_a_price_is_refused_in_a_comment_that_says_what_to_set(tmp_path: Path):
    """Nothing is asked of it; the exit status says that a person is needed."""
    repository = make_repository(tmp_path / "sound", REPOSITORIES["sound"])
    issue = tmp_path / "issue.md"
    issue.write_text("# Add a function\n\nAdd `thrice(n)`.\n")

    ended = aurora(
        "run", "--repo", str(repository), "--issue", str(issue), "--model", "openai:unheard-of",
        "--data", str(tmp_path / "data"), "--json", OPENAI_BASE_URL="http://127.0.0.1:1/v1", OPENAI_API_KEY="none",
    )  # fmt: skip

    report = json.loads(ended.stdout.splitlines()[-1])
    assert ended.returncode == 2
    assert report["status"] == "escalated"
    assert "AURORA_MODEL_PRICES" in report["reason"]
    assert report["model_calls"] == 0


def test_what_can_not_be_run_is_one_line(tmp_path: Path):
    """A missing repository or issue is named, without a traceback, before anything is started."""
    issue = tmp_path / "issue.md"
    issue.write_text("# Title\n")

    no_repository = aurora("run", "--repo", str(tmp_path / "none"), "--issue", str(issue), "--model", SCRIPTED)
    no_issue = aurora("run", "--repo", str(tmp_path), "--issue", str(tmp_path / "none.md"), "--model", SCRIPTED)
    no_model = aurora("run", "--repo", str(tmp_path), "--issue", str(issue))

    no_git = aurora("run", "--repo", str(tmp_path), "--issue", str(issue), "--model", SCRIPTED)

    for ended, named in (
        (no_git, "no git repository"),
        (no_repository, "none"),
        (no_issue, "none.md"),
        (no_model, "AURORA_MODEL"),
    ):
        assert ended.returncode == 1
        assert len(ended.stderr.strip().splitlines()) == 1
        assert named in ended.stderr
