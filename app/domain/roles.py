"""The roles of the agents, and what each is able to do."""

from dataclasses import dataclass
from enum import StrEnum


class AgentRole(StrEnum):
    """Who speaks in a message and who works on a task (the names are a contract)."""

    maestro = "maestro"
    memory_coordinator = "memory_coordinator"
    architect = "architect"
    backend = "backend"
    frontend = "frontend"
    database = "database"
    integration = "integration"
    test_engineer = "test_engineer"
    security_auditor = "security_auditor"
    code_reviewer = "code_reviewer"
    devops = "devops"
    documentation = "documentation"


class Tier(StrEnum):
    """The class of model that a role is given; `AURORA_MODEL_<TIER>` maps it to a model."""

    planner = "planner"
    coder = "coder"
    reviewer = "reviewer"


class Tool(StrEnum):
    """The six actions of an agent (the names are a contract)."""

    read_file = "read_file"
    search = "search"
    edit_file = "edit_file"
    write_file = "write_file"
    run = "run"
    done = "done"


@dataclass(frozen=True)
class Role:
    """What distinguishes one role from another: data that the loop and the checkpoints go by."""

    role: AgentRole
    tier: Tier
    abilities: frozenset[str]  # words by which Maestro matches a task to a role
    tools: frozenset[Tool]
    may_write: tuple[str, ...]  # glob patterns of the paths it may change; ("**",) is everything
    context: tuple[str, ...]  # kinds of files that it is shown beyond the footprint, as globs
    must_change: tuple[str, ...] = ()  # a change of this role has to touch one of these globs
