"""The web process stays light."""

import subprocess
import sys

HEAVY = ("langgraph", "langchain", "langchain_core", "mem0", "git", "openai", "anthropic", "workers")
PROGRAM = f"""
import sys
import app.web.server, app.web.portal, app.web.events, app.github.forges, app.github.render, app.github.recovery
import app.settings, app.queue, app.storage.deliveries, app.storage.projects
print([name for name in {HEAVY!r} if name in sys.modules])
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS")))
"""


def test_nothing_heavy_is_imported_and_memory_stays_small():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    heavy, megabytes = run.stdout.splitlines()
    assert heavy == "[]"
    assert int(megabytes) < 100
