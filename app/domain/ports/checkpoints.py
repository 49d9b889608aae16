"""Checkpoints: where an attempt is judged."""

from dataclasses import dataclass
from typing import Protocol

from app.domain.checks import CheckResult, Finding
from app.domain.ports.git import Clone, Worktree
from app.domain.repository_settings import CommandSettings


@dataclass(frozen=True)
class Execution:
    """What a command that ran in the sandbox did."""

    exit_code: int | None  # None: killed
    output: str  # both streams, bounded
    timed_out: bool = False


class Workbench(Protocol):
    """A worktree with the repository's environment and the sandbox around it: where an attempt is judged.

    Raises `SandboxUnavailable` or `EnvironmentFailed` only from `run`; checkpoints report those as `not_run`.
    """

    async def syntax(self) -> CheckResult: ...
    async def types(self) -> CheckResult: ...
    async def lint(self) -> CheckResult: ...
    async def tests(self) -> CheckResult: ...
    async def format(self) -> list[str]:
        """Apply the repository's formatter and safe fixes to the changed files; return the paths altered."""
        ...

    async def run(self, command: str, seconds: float) -> Execution:
        """Run a shell command in the worktree, in the sandbox, without network."""
        ...

    def anticipate(self) -> None:
        """Begin to judge the present tree, since nobody changes it while a model thinks."""
        ...

    async def calm(self) -> None:
        """End what was begun: the tree is about to change."""
        ...

    def syntax_error(self, path: str, text: str) -> Finding | None:
        """Return the first syntax error of `text` as the content of `path`, unless the base had one too."""
        ...


class Checkers(Protocol):
    """Where a workbench comes from; what it learns of a base commit is kept for the next one."""

    async def prepare(self, clone: Clone, base: str, commands: CommandSettings, setup: str | None) -> None:
        """Install the environment that `base` declares and take its baseline, ahead of the first bench."""
        ...

    def bench(
        self, clone: Clone, worktree: Worktree, commands: CommandSettings, setup: str | None, *, fresh: bool = False
    ) -> Workbench:
        """Return the workbench of a worktree; a `fresh` one judges anew what was judged before, and its base too."""
        ...
