"""Merge two commits; where both sides changed the same lines, a model resolves it, and nothing of either side is lost."""

from app.domain.ports import Clone
from app.domain.project import Project
from workers.maestro.context import Context


async def unite(ctx: Context, project: Project, clone: Clone, into: str, commit: str, message: str) -> str:
    """Return the merge of `commit` into `into`; raises `MergeConflict` where no resolution keeps both sides' changes."""
    return await clone.merge(into, commit, message)
