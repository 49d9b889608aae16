"""git for the workers: one mirror per repository, and worktrees, merges and pushes made from it."""

from workers.workspace.command import Identity
from workers.workspace.mirror import Clones

__all__ = ["Clones", "Identity"]
