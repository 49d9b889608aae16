"""Turns: of the projects that want to be merged into one base, one after the other is checked on top and merged."""

from datetime import timedelta
from uuid import uuid5

from app.domain.conversation import Happening
from app.domain.messages import notice
from app.domain.ports import Fact, Later
from app.domain.project import Project
from app.github.markdown import code
from workers.maestro.context import Context

MOST_BASE_MOVES = 3  # how often a moving base is followed in one turn before a person is asked
MOST = timedelta(hours=1)  # that others wait while other apps check the project whose turn it is


async def take_turn(ctx: Context, project: Project) -> tuple[Project, str | None]:
    """Queue the project for merging; return it, and why it has to wait where it isn't its turn."""
    before = await ctx.records.queue(ctx.clock())
    queued = await ctx.records.project()
    if before is None:
        moved = queued.base_moves < MOST_BASE_MOVES and project.turn_at is None  # while others had their turns
        return queued.model_copy(update={"base_moves": 0}) if moved else queued, None
    base = code(project.base_branch or "", 100)
    return queued, f"It is merged after #{before}: pull requests into {base} are merged one at a time."


async def keep_turn(ctx: Context, project: Project) -> tuple[Project, list[Fact]]:
    """Let a project that is queued keep its place while other apps check it, its turn for an hour at most.

    Returns the project, and what ends its turn then.
    """
    if project.queued_at is None:
        return project, []
    project, _ = await take_turn(ctx, project)
    if project.turn_at is None:
        return project, []
    left = project.turn_at + MOST - ctx.clock()
    if left <= timedelta():
        return leave(project), []
    over = notice(uuid5(project.id, f"turn over:{project.turn_at}"), project.id, ctx.clock(), Happening.turn)
    return project, [Later(over, left.total_seconds())]


def leave(project: Project) -> Project:
    """Return the project without its place, once it is written: another one's turn comes."""
    return project.model_copy(update={"queued_at": None, "turn_at": None})
