"""git commands that are cancelled, at whatever moment of their start, end."""

import asyncio

from workers.workspace.command import Git


async def test_a_command_that_is_cancelled_while_it_starts_ends(git_repository):
    git = Git(git_repository({"a.py": "x = 1\n"}) / ".git")
    for turns in range(12):
        command = asyncio.create_task(git("log"))
        for _ in range(turns):
            await asyncio.sleep(0)
        command.cancel()
        done, _ = await asyncio.wait({command}, timeout=5)
        assert done, f"it hangs when it is cancelled after {turns} turns"
    await asyncio.sleep(0.5)  # what had started meanwhile is killed
