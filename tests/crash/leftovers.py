"""What a run may not leave behind once it has ended: worktrees, branches, processes, locks, sessions."""

from tests.crash.world import Slot


async def leftovers(slot: Slot) -> list[str]:
    """Say what is there that should be gone."""
    return []
