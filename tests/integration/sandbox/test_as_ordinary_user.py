"""Runs the attacks once more as a user who isn't root, where bubblewrap's other recipe and Landlock's are used."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

NOBODY = 65_534
ROOT = Path(__file__).parents[3]
PLUGINS = ("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout")
OPTIONS = (
    *PLUGINS,
    "-rs",
    f"--confcutdir={Path(__file__).parent}",
    f"--rootdir={ROOT}",
    "-c",
    f"{ROOT}/pyproject.toml",
)
PROBE = "import sys, pytest, app; open(sys.executable); print(sys.version_info[:2])"


def as_nobody(*argv: str, **more) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--"]
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        [*drop, *argv], env=env, cwd="/", capture_output=True, text=True, timeout=110, check=False, **more
    )


def interpreter() -> str:
    """Find an interpreter that an ordinary user can run, with what the tests import."""
    for candidate in (Path(sys.base_prefix) / "bin" / "python3", Path("/usr/bin/python3")):
        found = as_nobody(str(candidate), "-c", PROBE)
        if found.returncode == 0 and found.stdout.strip() == str(sys.version_info[:2]):
            return str(candidate)
    pytest.skip("no interpreter of this version, or not this checkout, can be read by an ordinary user")


@pytest.mark.skipif(os.getuid() != 0, reason="the tests themselves run as an ordinary user already")
def test_the_attacks_fail_for_an_ordinary_user_too():
    python = interpreter()
    base = tempfile.mkdtemp(prefix="test-nobody-")
    os.chown(base, NOBODY, NOBODY)
    try:
        files = [str(Path(__file__).with_name(name)) for name in ("test_attacks.py", "test_commands.py")]
        result = as_nobody(python, "-m", "pytest", *OPTIONS, f"--basetemp={base}/t", *files)
    finally:
        shutil.rmtree(base)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    # Only what needs a loopback, or a checker that stands beside another interpreter.
    assert " 5 skipped" in result.stdout.splitlines()[-1], result.stdout[-2000:]
