"""What everybody in intake needs: who may ask, which issues are wanted, and where runs are looked up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.domain.ports import Clock, Forge, Forges, Issue
from app.domain.project import Repository
from app.errors import NotFound
from app.github.identity import AppIdentity
from app.storage.projects import ProjectReader
from app.web import events

SETTLED = 10.0  # seconds after a delivery, from when on GitHub's other answers know of it too
AGAIN = 2.0  # seconds
STRANGER = "eyes"  # the reaction to somebody without write permission: seen, nothing more


@dataclass(frozen=True)
class Rules:
    """What the operator decides about who is listened to."""

    reading: events.Reading
    allowed_bots: frozenset[str]
    budget_usd: float
    paused: bool


@dataclass(frozen=True)
class Desk:
    """What is asked of GitHub and of the tables before anything is believed."""

    runs: ProjectReader
    forges: Forges
    identity: Callable[[], Awaitable[AppIdentity]]
    clock: Clock
    rules: Rules

    async def may_ask(self, repository: Repository, login: str, *, is_bot: bool | None = None) -> bool:
        """Tell whether the app does what somebody says: people with write permission, and bots that are listed."""
        if login.endswith("[bot]") if is_bot is None else is_bot:
            return login in self.rules.allowed_bots or login == (await self.identity()).login
        return (await self.forges.of(repository).permission(login)).may_write

    async def found(self, forge: Forge, number: int) -> Issue | None:
        """Return an issue; None when it is gone."""
        try:
            return await forge.issue(number)
        except NotFound:
            return None

    def wanted(self, issue: Issue) -> bool:
        """Tell whether an issue is open and bears the label."""
        label = self.rules.reading.trigger_label.casefold()
        return issue.state == "open" and any(one.casefold() == label for one in issue.labels)
