"""Where an agent for a role comes from; LangChain is loaded when the first one starts to work."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from app.domain.ports import Agent, Call, Journal, Prompt, Workbench, WorkResult, Worktree
from app.domain.roles import AgentRole, Role
from workers.agents.limits import Limits
from workers.agents.roster import roster
from workers.agents.tools import Toolbox
from workers.agents.work import Work
from workers.llm.models import Models

if TYPE_CHECKING:
    from workers.llm.ledger import Ledger


class Agents:
    """The roles at the ready."""

    def __init__(
        self,
        models: Models,
        ledger: "Ledger",
        limits: Limits | None = None,
        roles: Mapping[AgentRole, Role] | None = None,
    ) -> None:
        """Take what all agents share."""
        self._models = models
        self._ledger = ledger
        self._limits = limits or Limits()
        self._roles = roles or roster()

    def of(self, role: AgentRole, protected_paths: tuple[str, ...] = ()) -> Agent:
        """Return an agent in `role` that may not touch what the globs `protected_paths` cover."""
        return RoleAgent(self._roles[role], self._models, self._ledger, self._limits, protected_paths)


@dataclass(frozen=True)
class RoleAgent:
    """The `Agent` of one role."""

    role: Role
    models: Models
    ledger: "Ledger"
    limits: Limits
    protected_paths: tuple[str, ...]

    async def work(
        self, call: Call, journal: Journal, prompt: Prompt, worktree: Worktree, bench: Workbench
    ) -> WorkResult:
        """Change the worktree until done or out of limits."""
        # Loading takes seconds, in which the worker's heartbeat has to go on.
        loop = await asyncio.to_thread(import_module, "workers.agents.loop")
        work = Work(
            call=call,
            journal=journal,
            worktree=worktree,
            toolbox=Toolbox(self.role, worktree, bench, self.protected_paths, self.limits.run_seconds),
            role=self.role,
            model=self.models.of(self.role.tier),
            limits=self.limits,
        )
        result: WorkResult = await loop.work_on(work, self.ledger, prompt)
        return result
