"""What a hostile command can't do, tried for real in each kind of sandbox."""

# ruff: noqa: ASYNC220, ASYNC240 - a test may block its own loop for a moment

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.domain.sandbox import Limits, Mount, Stopped
from workers.sandbox.hidden import remove

MIB = 1024**2

READ = """
import sys
for path in sys.argv[1:]:
    try:
        print("READ", open(path, "rb").read(20))
    except OSError as error:
        print("refused", path, error.strerror)
"""


async def test_files_of_the_host_and_other_trees_cannot_be_read(inside, tmp_path):
    secret = tmp_path / "other-tree" / "secret"
    secret.parent.mkdir()
    secret.write_text("secret")
    mine = inside.tree / "readable"
    mine.write_text("mine")
    outcome = await inside.python(READ, secret, "/etc/shadow", "/etc/machine-id", mine)
    lines = outcome.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["refused"] * 3 + ["READ"]


async def test_directories_of_the_host_cannot_be_listed(inside, tmp_path):
    (tmp_path / "neighbour").mkdir()
    script = """
import os, sys
for path in sys.argv[1:]:
    try:
        print(*os.listdir(path))
    except OSError:
        pass
"""
    outcome = await inside.python(script, "/root", "/home", "/var", "/run", "/", tmp_path)
    assert not {"neighbour", "home", "var", "run", "boot"} & set(outcome.stdout.decode().split())


async def test_a_symlink_out_of_the_tree_leads_nowhere(inside, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (inside.tree / "link").symlink_to(secret)
    outcome = await inside.run("sh", "-c", "cat link; echo overwritten > link; ln -sf ../secret other; cat other")
    assert b"secret" not in outcome.stdout
    assert secret.read_text() == "secret"


async def test_secrets_in_the_workers_environment_stay_there(inside, monkeypatch):
    monkeypatch.setenv("AURORA_GITHUB_WEBHOOK_SECRET", "hunter2")
    bystander = subprocess.Popen(["sleep", "60"], env={"TOKEN": "hunter2"})
    try:
        outcome = await inside.run("sh", "-c", "env; cat /proc/[0-9]*/environ /proc/self/environ", merged=True)
    finally:
        bystander.kill()
        bystander.wait()
    assert b"hunter2" not in outcome.stdout
    assert b"PATH=" in outcome.stdout


async def test_only_the_standard_streams_are_open(inside):
    script = """
import os
for number in range(3, 1024):
    try:
        print(number, os.fstat(number))
    except OSError:
        pass
"""
    assert (await inside.python(script)).stdout == b""


async def test_servers_on_the_hosts_loopback_cannot_be_reached(inside):
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    script = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2)
    print("connected")
except OSError as error:
    print("refused", error)
"""
    async with server:
        outcome = await inside.python(script, port)
    assert outcome.stdout.startswith(b"refused")


async def test_unix_sockets_of_the_host_cannot_be_reached(inside, tmp_path):
    names = [f"\0aurora-{os.getpid()}", str(tmp_path / "s")]
    listeners = [socket.socket(socket.AF_UNIX) for _ in names]
    script = """
import socket, sys
for name in ("\\0" + sys.argv[1], sys.argv[2]):
    try:
        socket.socket(socket.AF_UNIX).connect(name)
        print("connected")
    except OSError as error:
        print("refused", error)
"""
    try:
        for listener, name in zip(listeners, names, strict=True):
            listener.bind(name)
            listener.listen()
        Path(names[1]).chmod(0o777)
        outcome = await inside.python(script, names[0][1:], names[1])
    finally:
        for listener in listeners:
            listener.close()
    assert [line.split()[0] for line in outcome.stdout.splitlines()] == [b"refused", b"refused"]


async def test_address_families_beyond_the_internet_are_refused(inside):
    script = """
import socket
for family in (socket.AF_VSOCK, socket.AF_PACKET, socket.AF_ALG, socket.AF_CAN):
    for kind in (socket.SOCK_STREAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind)
            print("opened", family)
        except PermissionError:
            pass
"""
    outcome = await inside.python(script)
    assert (outcome.stdout, outcome.exit_code) == (b"", 0)


async def test_other_processes_cannot_be_signalled(inside):
    bystander = subprocess.Popen(["sleep", "60"])
    script = """
import os, signal, sys
for pid in (*map(int, sys.argv[1:]), -1):
    try:
        os.kill(pid, signal.SIGKILL)
        print("signalled", pid)
    except OSError as error:
        print("refused", pid, error)
"""
    try:
        outcome = await inside.python(script, bystander.pid, os.getpid(), os.getppid())
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert outcome.stdout.count(b"refused") >= 3


async def test_settings_of_the_kernel_cannot_be_written(inside):
    script = """
import sys
for name in ("kernel/domainname", "kernel/core_pattern", "vm/overcommit_memory", "net/ipv4/ip_forward"):
    try:
        path = "/proc/sys/" + name
        with open(path, "r+") as setting:
            setting.write("1")
        print("WROTE", name)
    except OSError:
        pass
for path in ("/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent"):
    try:
        open(path, "w")
        print("OPENED", path)
    except OSError:
        pass
"""
    before = Path("/proc/sys/kernel/domainname").read_text()
    outcome = await inside.python(script)
    assert (outcome.stdout, outcome.exit_code) == (b"", 0)
    assert Path("/proc/sys/kernel/domainname").read_text() == before


CALLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result >= 0:
        print("DONE", name)
attempt("mount", b"none", b"/tmp", b"tmpfs", 0, None)
attempt("umount2", b"/proc", 2)
attempt("chroot", b".")
attempt("pivot_root", b".", b".") if hasattr(libc, "pivot_root") else None
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x08000000, 0x04000000):
    attempt("unshare", flag)
    attempt("syscall", 56, flag | 17, 0, 0, 0, 0)  # clone
attempt("ptrace", 0, 0, 0, 0)
attempt("setuid", 0)
attempt("process_vm_readv", os.getppid(), None, 0, None, 0, 0)
attempt("syscall", 250, 0, -3, 1)       # keyctl
attempt("syscall", 321, 0, 0, 0)        # bpf
attempt("syscall", 425, 1, ctypes.create_string_buffer(120))  # io_uring_setup
attempt("syscall", 319, b"x", 0)        # memfd_create
attempt("syscall", 435, ctypes.create_string_buffer(88), 88)  # clone3
print(libc.prctl(39, 0, 0, 0, 0))       # no_new_privs
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers in the script are those of x86_64")
async def test_system_calls_that_open_a_way_out_are_refused(inside):
    outcome = await inside.python(CALLS)
    assert outcome.stdout == b"1\n", outcome


async def test_a_command_runs_without_capabilities_and_not_as_root(inside):
    script = """
import ctypes, os
data = (ctypes.c_uint32 * 6)()
ctypes.CDLL(None).capget((ctypes.c_uint32 * 2)(0x20080522, 0), data)
searching = 1 << 2
print(os.getuid() != 0, os.getgroups() in ([], [os.getgid()]), [bits & ~searching for bits in data])
"""
    assert (await inside.python(script)).stdout == b"True True [0, 0, 0, 0, 0, 0]\n"


async def test_a_read_only_mount_cannot_be_written(inside, tmp_path):
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "module.py").write_text("original")
    environment.chmod(0o777)
    (environment / "module.py").chmod(0o666)
    script = (
        f"cat {environment}/module.py; echo x > {environment}/module.py; touch {environment}/new; rm -rf {environment}"
    )
    outcome = await inside.run("sh", "-c", script, mounts=(Mount(environment),))
    assert outcome.stdout == b"original"
    assert [path.read_text() for path in environment.iterdir()] == ["original"]


TAMPER = "echo 'gitdir: /evil' > .git; rm -rf .git; mkdir .git; echo '[core]' > .git/config; mv .git gone; true"


async def test_the_link_to_gits_own_files_survives_tampering(inside):
    link = inside.tree / ".git"
    link.write_text("gitdir: /somewhere\n")
    await inside.run("sh", "-c", TAMPER)
    assert link.read_text() == "gitdir: /somewhere\n"


async def test_a_repository_that_a_command_makes_at_the_top_is_removed(inside):
    await inside.run("sh", "-c", "mkdir .git && echo '[core]' > .git/config && ls -a")
    assert not (inside.tree / ".git").exists()


@pytest.mark.parametrize(
    "plant",
    [
        "mkfifo .git",
        "mkdir -p .git/a && chmod 0 .git/a .git",
        "mkdir .hidden; echo x > .git; chmod 0 .git .hidden",
    ],
)
async def test_no_shape_of_what_is_left_stops_the_next_command(inside, plant):
    first = await inside.run("sh", "-c", plant)
    assert first.ok, first
    assert not os.path.lexists(inside.tree / ".git")
    assert (await inside.run("true")).ok


async def test_directories_nested_without_end_do_not_stop_the_next_command(inside):
    script = "import os\nfor _ in range(1100):\n    os.mkdir('d')\n    os.chdir('d')"
    first = await inside.python(script)
    assert first.ok, first
    assert (await inside.run("true")).ok
    remove(inside.tree)
    assert not inside.tree.exists()


async def test_a_link_planted_as_git_directory_is_removed_and_not_followed(inside, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").touch()
    await inside.run("ln", "-s", str(target), ".git")
    assert not (inside.tree / ".git").is_symlink()
    assert (target / "kept").exists()


async def test_an_allocation_beyond_the_limit_fails(inside):
    outcome = await inside.python("data = bytearray(3 * 1024**3); print('allocated')")
    assert outcome.exit_code == 1
    assert b"MemoryError" in outcome.stderr


async def test_shared_memory_beyond_the_limit_ends_the_command(inside):
    script = """
import mmap, time
memory = mmap.mmap(-1, 200 * 1024**2)
for offset in range(0, len(memory), 4096):
    memory[offset] = 1
time.sleep(30)
"""
    outcome = await inside.python(script, limits=Limits(seconds=20, total_memory=100 * MIB))
    assert outcome.stopped is Stopped.memory
    assert outcome.seconds < 10


async def test_a_file_cannot_grow_beyond_the_limit(inside):
    script = "open('big', 'wb').write(bytes(64 * 1024**2))"
    outcome = await inside.python(script, limits=Limits(file=8 * MIB))
    assert not outcome.ok
    assert (inside.tree / "big").stat().st_size <= 8 * MIB


async def test_many_files_that_fill_the_disk_end_the_command(inside):
    script = """
import os, time
for number in range(40):
    with open(f"f{number}", "wb") as file:
        file.write(os.urandom(1024**2))
        os.fsync(file.fileno())
time.sleep(30)
"""
    outcome = await inside.python(script, limits=Limits(seconds=20, disk=16 * MIB))
    assert outcome.stopped is Stopped.disk
    assert outcome.seconds < 15


async def test_the_temporary_directory_is_private_and_goes_afterwards(inside):
    script = "import os; d = os.environ['TMPDIR']; open(d + '/left', 'x'); print(d, sorted(os.listdir(d)))"
    first = await inside.python(script)
    second = await inside.python(script)
    assert b"'left'" in first.stdout
    assert first.exit_code == second.exit_code == 0
    assert not any(Path(directory, "left").exists() for directory in ("/tmp", first.stdout.split()[0].decode()))


async def test_forks_beyond_the_limit_fail(inside):
    script = """
import os, time
forked = 0
try:
    for _ in range(600):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        forked += 1
except BlockingIOError:
    pass
print(forked)
"""
    outcome = await inside.python(script, limits=Limits(seconds=20, processes=40))
    assert outcome.exit_code == 0
    # A shared user may end other processes meanwhile, whose share of the limit is then free.
    assert 1 <= int(outcome.stdout) <= 60
    assert outcome.seconds < 10


async def test_a_fork_bomb_ends_with_its_time(inside):
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    outcome = await inside.python(bomb, limits=Limits(seconds=1, processes=30))
    assert outcome.timed_out
    assert outcome.seconds < 6


async def test_output_without_end_ends_the_command_and_both_ends_are_kept(inside):
    limits = Limits(seconds=20, output=20_000)
    outcome = await inside.run("sh", "-c", "echo first; yes", limits=limits)
    assert outcome.stopped is Stopped.output
    assert outcome.stdout.startswith(b"first\ny\n")
    assert b"bytes left out" in outcome.stdout
    assert len(outcome.stdout) < 21_000


DETACH = """
import os, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal = __import__("signal")
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        subprocess.Popen(["sleep", sys.argv[1]], start_new_session=True)
        time.sleep(60)
    os._exit(0)
time.sleep(float(sys.argv[2]))
print("parent ends")
"""


def marker(number: int) -> str:
    """Return a number of seconds that nobody else sleeps."""
    return f"{9_000_000 + os.getpid()}.{number}{time.monotonic_ns() % 10**6}"


async def test_time_ends_children_in_sessions_of_their_own(inside, alive):
    mark = marker(1)
    outcome = await inside.python(DETACH, mark, 60, limits=Limits(seconds=1))
    assert outcome.timed_out
    assert outcome.exit_code is None
    assert outcome.seconds < 5
    assert not await alive(mark)


async def test_what_a_command_leaves_behind_ends_with_it(inside, alive):
    mark = marker(2)
    outcome = await inside.python(DETACH, mark, 0.5)
    assert outcome.stdout == b"parent ends\n"
    assert outcome.exit_code == 0
    assert outcome.seconds < 5
    assert not await alive(mark)


async def test_cancelling_ends_everything(inside, alive):
    mark = marker(3)
    running = asyncio.create_task(inside.python(DETACH, mark, 60))
    await asyncio.sleep(0.7)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not await alive(mark)


WORKER = """
import asyncio, sys
from pathlib import Path
from app.domain.sandbox import Command, Mount
from workers.sandbox.detect import detect
async def main():
    sandbox = await detect(sys.argv[1])
    tree = Path(sys.argv[2])
    print("ready", flush=True)
    await sandbox.run(Command(tuple(sys.argv[3:]), tree, (Mount(tree, writable=True),)))
asyncio.run(main())
"""


async def test_nothing_survives_a_worker_that_is_killed(inside, alive):
    mark = marker(4)
    attack = [inside.interpreter, "-I", "-S", "-c", DETACH, mark, "60"]
    argv = [sys.executable, "-B", "-c", WORKER, inside.sandbox.name, str(inside.tree), *attack]
    worker = subprocess.Popen(
        argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    )
    try:
        assert await asyncio.to_thread(worker.stdout.readline) == b"ready\n"
        await asyncio.sleep(1)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    assert not await alive(mark)
