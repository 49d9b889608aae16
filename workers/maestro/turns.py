"""Turns: of the projects that want to be merged into one base, one after the other is checked on top and merged."""

from app.domain.project import Project
from workers.maestro.context import Context


async def take_turn(ctx: Context, project: Project) -> tuple[Project, str | None]:
    """Queue the project for merging; return it, and which issue's turn it is where it isn't its own."""
    return project, None
