"""What an ordinary command can rely on in each kind of sandbox."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.sandbox import Limits, Mount, Network
from app.errors import ConfigurationError, SandboxUnavailable
from workers.sandbox.detect import Refusal, detect


async def test_standard_input_and_variables_arrive_and_streams_stay_apart(inside):
    inside.env = {"GREETING": "{hello} %s", "PATH": "/opt/env/bin:/usr/bin:/bin"}
    outcome = await inside.run("sh", "-c", 'cat; echo "$GREETING $PATH" >&2', stdin=b"typed")
    assert (outcome.exit_code, outcome.stdout) == (0, b"typed")
    assert outcome.stderr == b"{hello} %s /opt/env/bin:/usr/bin:/bin\n"


async def test_merged_streams_keep_their_order(inside):
    outcome = await inside.run("sh", "-c", "echo 1; echo 2 >&2; echo 3", merged=True)
    assert (outcome.stdout, outcome.stderr) == (b"1\n2\n3\n", b"")


@pytest.mark.parametrize(
    ("script", "code", "killed_by"), [("exit 3", 3, None), ("kill -SEGV $$", 139, "SIGSEGV"), ("nosuch", 127, None)]
)
async def test_exit_codes_are_those_of_a_shell(inside, script, code, killed_by):
    outcome = await inside.run("sh", "-c", script)
    assert (outcome.exit_code, outcome.killed_by) == (code, killed_by)


async def test_a_program_that_is_not_there_is_reported_as_127(inside):
    outcome = await inside.run("nosuch-program")
    assert outcome.exit_code == 127
    assert b"nosuch-program" in outcome.stderr


async def test_files_pass_both_ways_and_can_be_removed_afterwards(inside):
    (inside.tree / "given").write_text("given")
    (inside.tree / "deep" / "er").mkdir(parents=True)
    outcome = await inside.run("sh", "-c", "cat given; echo more >> given; mkdir made; echo x > made/file; rm -r deep")
    assert outcome.stdout == b"given", outcome
    (inside.tree / "given").write_text("again")
    (inside.tree / "late").write_text("late")
    outcome = await inside.run("sh", "-c", "cat given; echo changed > late; chmod 600 late")
    assert outcome.stdout == b"again"
    assert (inside.tree / "late").read_text() == "changed\n"
    shutil.rmtree(inside.tree)


async def test_git_of_the_worker_still_trusts_the_tree(inside):
    def git(*argv: str) -> str:
        return subprocess.run(
            ["git", "-C", inside.tree, *argv], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
        ).stdout

    git("init", "-q", "--separate-git-dir", f"{inside.tree}.git")
    await inside.run("sh", "-c", "echo x > made")
    assert git("status", "--porcelain") == "?? made\n"


async def test_commands_may_share_a_tree_at_the_same_time(inside):
    script = "id -u > $0; sleep 0.5; cat ?"
    outcomes = await asyncio.gather(*(inside.run("sh", "-c", script, str(number)) for number in range(3)))
    first, *others = [(outcome.exit_code, outcome.stdout.split()) for outcome in outcomes]
    assert first == (0, first[1][:1] * 3)
    assert others == [first] * 2


async def test_an_environment_made_inside_works_read_only_afterwards(inside, tmp_path):
    """As dependency installation does it: a virtual environment by the worker's base interpreter."""
    environment = tmp_path / "environment"
    environment.mkdir()
    make = "import sys, venv; venv.create(sys.argv[1], symlinks=True)"
    made = await inside.run(
        inside.interpreter, "-c", make, str(environment), mounts=(Mount(environment, writable=True),)
    )
    assert made.ok, made
    python = str(environment / "bin" / "python")
    outcome = await inside.run(python, "-c", "import sys; print(sys.prefix)", mounts=(Mount(environment),))
    assert outcome.stdout.decode().strip() == str(environment)


async def test_loopback_works_within_namespaces(inside):
    if inside.sandbox.name != "bubblewrap":
        pytest.skip("there is no private loopback without a network namespace")
    script = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].sendall(b"hello")
print(client.recv(5))
"""
    assert (await inside.python(script)).stdout == b"b'hello'\n"


async def test_the_network_can_be_opened_for_an_installation(inside):
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    script = "import socket, sys; print(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5).recv(1))"
    async with server:
        outcome = await inside.python(script, port, network=Network.full)
    assert outcome.stdout == b"b''\n", outcome


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_node_runs(inside):
    outcome = await inside.run(
        "node", "-e", "process.memoryUsage(); console.log(require('child_process').execSync('echo ok').toString())"
    )
    assert outcome.stdout.strip() == b"ok", outcome


async def test_checkers_run_from_their_files(inside):
    ruff = Path(sys.prefix) / "bin" / "ruff"
    if not ruff.exists():
        pytest.skip("ruff is not beside this interpreter")
    (inside.tree / "a.py").write_text("import os\n")
    outcome = await inside.run(str(ruff), "check", "--isolated", "--no-cache", "--quiet", ".", mounts=(Mount(ruff),))
    assert b"F401" in outcome.stdout, outcome


async def test_threads_within_the_limits_work(inside):
    script = """
import concurrent.futures, subprocess, time
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(sum(pool.map(lambda n: len(subprocess.check_output(["echo", "x"])), range(40))))
"""
    assert (await inside.python(script, limits=Limits(processes=100))).stdout == b"80\n"


async def test_an_unknown_kind_of_sandbox_is_a_mistake_in_the_settings():
    with pytest.raises(ConfigurationError, match="AURORA_SANDBOX"):
        await detect("docker")


async def test_no_sandbox_means_that_nothing_is_run(inside):
    nothing = await detect("none")
    assert isinstance(nothing, Refusal)
    with pytest.raises(SandboxUnavailable, match="AURORA_SANDBOX=none"):
        await nothing.run(inside.command("touch", "made"))
    assert not (inside.tree / "made").exists()


async def test_a_command_that_is_cancelled_while_it_starts_ends(inside):
    """At whatever moment: asyncio awaits some of these for ever, and with them whatever they hold."""
    for turns in range(12):
        command = asyncio.create_task(inside.run("sleep", "60"))
        for _ in range(turns):
            await asyncio.sleep(0)
        command.cancel()
        done, _ = await asyncio.wait({command}, timeout=10)
        assert done, f"it hangs when it is cancelled after {turns} turns"
    await asyncio.sleep(0.5)  # what had started meanwhile is killed
