"""Tries the sandbox as an ordinary user, and in what `docker-compose.yml` puts around it; no engine is needed.

The container is imitated by its parts: an ordinary user without capabilities who can't gain any, the profile (applied
by libseccomp, as runc does), and a /proc that is masked and partly read-only, as Docker makes it.
"""

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

OLD_KERNEL = "Linux"  # as the parameters of the fixture `sandbox` name it
NOBODY = 65_534
HERE = Path(__file__).parent
ROOT = Path(__file__).parents[3]
PROFILE = ROOT / "docker" / "seccomp.json"
PROBE = "import sys, pytest, app; open(sys.executable); print(sys.version_info[:2])"
WHICH = """
import asyncio
from workers.sandbox.detect import detect
found = asyncio.run(detect())
print(found.name, getattr(found, "own_proc", None), getattr(found, "reason", ""))
"""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONPATH": os.pathsep.join((str(ROOT), sysconfig.get_path("purelib"))),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, timeout=110, check=False)


def as_nobody(*argv: str) -> list[str]:
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else ["setpriv"]
    return [*user, "--no-new-privs", "--", *argv]


@pytest.fixture(scope="module")
def python() -> str:
    """Find an interpreter that an ordinary user can run, with what the tests import."""
    for candidate in (Path(sys.base_prefix) / "bin" / "python3", Path("/usr/bin/python3")):
        found = run(*as_nobody(str(candidate), "-c", PROBE))
        if found.returncode == 0 and found.stdout.strip() == str(sys.version_info[:2]):
            return str(candidate)
    pytest.skip("no interpreter of this version, or not this checkout, can be read by an ordinary user")


@pytest.fixture
def base() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="test-nobody-"))
    if os.getuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    yield directory
    shutil.rmtree(directory)


def pytest_of(python: str, base: Path, *arguments: str) -> list[str]:
    plugins = ("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout")
    where = (f"--confcutdir={HERE}", f"--rootdir={ROOT}", "-c", f"{ROOT}/pyproject.toml", f"--basetemp={base}/t")
    files = (str(HERE / "test_attacks.py"), str(HERE / "test_commands.py"))
    return [python, "-m", "pytest", "-rs", *plugins, *where, *arguments, *files]


@pytest.mark.skipif(os.getuid() != 0, reason="the tests themselves run as an ordinary user already")
def test_the_attacks_fail_for_an_ordinary_user_too(python, base):
    result = run(*as_nobody(*pytest_of(python, base, "-k", f"bubblewrap or {OLD_KERNEL}")))
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    # Only what needs a loopback, or a checker that stands beside another interpreter.
    assert " 3 skipped" in result.stdout.splitlines()[-1], result.stdout[-2000:]


def in_container(profile: Path, proc: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, str(HERE / "profiled.py"), str(NOBODY), proc, str(profile), *argv)


needs_libseccomp = pytest.mark.skipif(
    ctypes.util.find_library("seccomp") is None,
    reason="libseccomp, with which the profile is applied, is not installed",
)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mask /proc as Docker does")


@pytest.fixture
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave out the group that is added for bubblewrap: what remains refuses namespaces, as Docker's own does."""
    profile = json.loads(PROFILE.read_text())
    *ordinary, added = profile["syscalls"]
    assert added["comment"].startswith("bubblewrap")
    path = tmp_path_factory.mktemp("profile") / "narrow.json"
    path.write_text(json.dumps(profile | {"syscalls": ordinary}))
    return path


@needs_libseccomp
def test_with_the_shipped_profile_bubblewrap_is_used(python):
    result = in_container(PROFILE, "open", python, "-c", WHICH)
    assert result.stdout.split() == ["bubblewrap", "True"], result


@needs_libseccomp
@needs_root
def test_with_the_shipped_profile_and_dockers_proc_bubblewrap_shows_that_one(python):
    result = in_container(PROFILE, "mask", python, "-c", WHICH)
    assert result.stdout.split() == ["bubblewrap", "False"], result


@needs_libseccomp
def test_with_a_profile_that_refuses_namespaces_landlock_is_used(python, narrow):
    result = in_container(narrow, "open", python, "-c", WHICH)
    assert result.stdout.split() == ["container", "None"], result


@needs_libseccomp
def test_where_nothing_works_the_refusal_says_what_was_tried(python, narrow):
    profile = json.loads(narrow.read_text())
    names = profile["syscalls"][0]["names"]
    profile["syscalls"][0]["names"] = [name for name in names if not name.startswith("landlock_")]
    narrow.write_text(json.dumps(profile))
    result = in_container(narrow, "open", python, "-c", WHICH)
    assert result.stdout.startswith("none None Nothing here can confine untrusted code (bubblewrap: "), result
    assert "Landlock: this kernel has no Landlock" in result.stdout


@needs_libseccomp
@needs_root
def test_the_attacks_fail_in_the_shipped_container(python, base):
    result = in_container(PROFILE, "mask", *pytest_of(python, base, "-k", "bubblewrap"))
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert " 1 skipped" in result.stdout.splitlines()[-1], result.stdout[-2000:]


@needs_libseccomp
@needs_root
def test_the_attacks_fail_in_a_container_that_refuses_namespaces(python, base, narrow):
    for path in (narrow, *narrow.parents[:3]):
        path.chmod(0o755)
    result = in_container(narrow, "mask", *pytest_of(python, base, "-k", f"container and not {OLD_KERNEL}"))
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert " 2 skipped" in result.stdout.splitlines()[-1], result.stdout[-2000:]
