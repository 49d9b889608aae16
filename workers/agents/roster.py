"""Who there is to do the work, and who fits a planned task best."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from app.domain.roles import AgentRole, Role, Tier, Tool
from workers.agents.globs import fits

GENERALIST = AgentRole.integration


@cache
def roster() -> Mapping[AgentRole, Role]:
    """Read the roles that come with the package."""
    with Path(__file__).with_name("roster.toml").open("rb") as file:
        table = tomllib.load(file)
    return MappingProxyType({AgentRole(name): _role(AgentRole(name), row) for name, row in table.items()})


def _role(role: AgentRole, row: Mapping[str, object]) -> Role:
    def words(key: str) -> tuple[str, ...]:
        value = row.get(key, [])
        if not isinstance(value, list):
            raise TypeError(f"{key} of {role} in roster.toml has to be a list")
        return tuple(str(item) for item in value)

    return Role(
        role=role,
        tier=Tier(str(row["tier"])),
        abilities=frozenset(words("abilities")),
        tools=frozenset(Tool(name) for name in words("tools")),
        may_write=words("may_write"),
        context=words("context"),
        must_change=words("must_change"),
    )


def assign(
    kind: str,
    footprint: Sequence[str] = (),
    title: str = "",
    roles: Mapping[AgentRole, Role] | None = None,
) -> AgentRole:
    """Choose the role for a planned task: it must be allowed to write the footprint; then abilities decide."""
    candidates = [
        role
        for role in (roles or roster()).values()
        if Tool.write_file in role.tools and all(fits(_sample(path), role.may_write) for path in footprint)
    ]
    words = set(title.lower().replace(",", " ").split())

    def suits(role: Role) -> tuple[bool, int, bool]:
        return (kind in role.abilities, len(words & role.abilities), role.role is GENERALIST)

    best = max(candidates, key=suits, default=None)
    # A role whose kind of work this isn't, and no word of the title speaks for: leave it to the generalist.
    return best.role if best is not None and any(suits(best)[:2]) else GENERALIST


def _sample(pattern: str) -> str:
    """Return a path that a footprint's glob stands for."""
    path = pattern.removeprefix("./").replace("**", "x").replace("*", "x")
    return f"{path}x" if path.endswith("/") else path
