"""Everything in one process tree: the real hub and stores, with a stand-in for web and workers."""

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from app.errors import ConfigurationError, NotFound
from workers.local.stack import Import, Options, Stack

AURORA = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

command, data = sys.argv[1], Path(os.environ["AURORA_DATA_DIR"])
names = [name for name in os.environ if name.startswith("AURORA_")]
(data / f"{command}.json").write_text(json.dumps({name: os.environ[name] for name in names}))

class Web(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    do_POST = do_GET
    def log_message(self, *_): pass

if command == "serve":
    HTTPServer((os.environ["AURORA_HOST"], int(os.environ["AURORA_PORT"])), Web).serve_forever()
elif command == "work":
    print("working", flush=True)
    Path(os.environ["AURORA_READY_FILE"]).touch()
    time.sleep(3600)
"""


@pytest.fixture
def options(git_repository, tmp_path: Path) -> Options:
    program = tmp_path / "aurora.py"
    program.write_text(AURORA)
    return Options(
        tmp_path / "data",
        imports=(Import(git_repository({"a.py": "x = 1\n"}), "octo/sample"),),
        durable=False,
        aurora=(sys.executable, str(program)),
    )


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "AURORA_MODEL": "scripted:x", **more}


def processes_of(options: Options) -> list[str]:
    """The command lines of all processes that have to do with a stack."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append((process / "cmdline").read_text("utf-8", "replace"))
    return [line for line in found if str(options.data_dir) in line or options.aurora[1] in line]


def mode_of(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


async def until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_stack_starts_and_a_person_can_open_an_issue(options: Options) -> None:
    async with Stack(options, environment()) as stack:
        issue = await stack.person.open_issue("octo/sample", "Add y", "Please.", ["aurora"])
        assert [label["name"] for label in issue["labels"]] == ["aurora"]
        found = await stack.person.get(f"/repos/octo/sample/issues/{issue['number']}")
        assert found["user"]["login"] == stack.person.login
        with pytest.raises(NotFound):
            await stack.person.get("/repos/octo/none")
        told = json.loads((stack.data_dir / "work.json").read_text())
        assert told["AURORA_GITHUB_API_URL"] == stack.hub_url
        assert told["AURORA_MODEL"] == "scripted:x"
        assert told["AURORA_DATABASE_URL"].startswith("postgresql://")
        assert mode_of(told["AURORA_GITHUB_PRIVATE_KEY_FILE"]) == 0o600


async def test_packages_in_the_current_directory_are_not_imported(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere/hub").mkdir(parents=True)
    (tmp_path / "elsewhere/hub/__init__.py").write_text("raise SystemExit('not me')\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    async with Stack(options, environment()) as stack:
        assert await stack.person.get("/repos/octo/sample")


async def test_a_second_start_keeps_addresses_and_a_second_stack_is_refused(options: Options) -> None:
    async with Stack(options, environment()) as stack:
        first = stack.hub_url, stack.web_url
        with pytest.raises(ConfigurationError, match="in use by another aurora"):
            await Stack(options, environment()).__aenter__()
    async with Stack(options, environment()) as stack:
        assert (stack.hub_url, stack.web_url) == first
        assert (await stack.person.get("/repos/octo/sample"))["name"] == "sample"


async def test_a_killed_worker_comes_back(options: Options) -> None:
    async with Stack(options, environment()) as stack:
        before = stack.programs.pid("work-1")
        await stack.restart_worker()
        assert stack.programs.pid("work-1") != before
        before = stack.programs.pid("work-1")
        stack.programs.signal("work-1", signal.SIGKILL)
        await until(lambda: stack.programs.pid("work-1") != before and stack.programs.running("work-1"))
        assert await stack.add_worker() == "work-2"


async def test_stores_that_settings_name_are_used(options: Options, database_url: str, redis_url: str) -> None:
    given = environment(AURORA_DATABASE_URL=database_url, AURORA_REDIS_URL=redis_url)
    async with Stack(options, given) as stack:
        assert stack.environment["AURORA_DATABASE_URL"] == database_url
    assert not (options.data_dir / "postgres").exists()


async def test_what_ends_while_it_starts_is_named_with_what_it_said(options: Options, tmp_path: Path) -> None:
    (tmp_path / "aurora.py").write_text("import sys\nif sys.argv[1] == 'work': sys.exit('no model is set')\n" + AURORA)
    with pytest.raises(ConfigurationError, match="work-1 ended while it started: no model is set"):
        await Stack(options, environment()).__aenter__()
    assert not processes_of(options)


HOLDER = """
import asyncio, os, sys
from pathlib import Path
from workers.local.stack import Options, Stack

async def main():
    options = Options(Path(sys.argv[1]), durable=False, aurora=(sys.executable, sys.argv[2]))
    async with Stack(options, {"PATH": os.environ["PATH"]}) as stack:
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_nothing_is_left_of_a_stack_that_was_killed(options: Options) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, options.data_dir, options.aurora[1], stdout=asyncio.subprocess.PIPE
    )
    assert await holder.stdout.readline() == b"ready\n"
    holder.kill()
    await holder.communicate()

    await until(lambda: not processes_of(options))
    async with Stack(options, environment()):
        pass
