"""What the core asks of the outside world: one small protocol for each kind of thing."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from app.domain.checks import CheckResult, Finding
from app.domain.messages import AgentMessage
from app.domain.project import Project, Repository
from app.domain.recovery import AgentError
from app.domain.repository_settings import CommandSettings
from app.domain.roles import AgentRole
from app.domain.task import Task

T = TypeVar("T", bound=BaseModel)

# --- GitHub -----------------------------------------------------------------------------------------


class Permission(StrEnum):
    """A person's standing in a repository, weakest first."""

    none = "none"
    read = "read"
    write = "write"
    admin = "admin"

    @property
    def may_write(self) -> bool:
        """Whether the app does what this person says."""
        return self in {Permission.write, Permission.admin}


@dataclass(frozen=True)
class Comment:
    """A comment on an issue or pull request."""

    id: int
    author: str
    body: str
    created_at: datetime
    by_this_app: bool = False


@dataclass(frozen=True)
class Issue:
    """An issue as it is now."""

    number: int
    title: str
    body: str
    author: str
    state: str  # open, closed
    labels: tuple[str, ...]
    is_pull_request: bool = False
    by_this_app: bool = False


@dataclass(frozen=True)
class RepositoryInfo:
    """What GitHub knows of a repository that matters here."""

    default_branch: str
    merge_methods: tuple[str, ...]  # of merge, squash, rebase: those allowed, in order of preference
    archived: bool = False
    clone_url: str = ""  # https, without credentials


@dataclass(frozen=True)
class PullRequest:
    """A pull request as it is now."""

    number: int
    url: str
    state: str  # open, closed
    merged: bool
    head_sha: str
    base_ref: str
    base_sha: str
    mergeable: bool | None  # None: GitHub is still working it out
    merge_commit_sha: str | None = None


@dataclass(frozen=True)
class Review:
    """A submitted review of a pull request."""

    author: str
    state: str  # approved, changes_requested, commented, dismissed (lower case)
    commit_sha: str
    body: str
    submitted_at: datetime


@dataclass(frozen=True)
class CheckRun:
    """A check run to be written; `external_id` is what it is found by again."""

    name: str
    head_sha: str
    external_id: str
    conclusion: str  # success, failure, neutral, skipped, action_required
    title: str
    summary: str
    started_at: datetime
    completed_at: datetime
    text: str = ""
    annotations: tuple[Finding, ...] = ()
    details_url: str | None = None


class MergeOutcome(StrEnum):
    """How GitHub answered a merge."""

    merged = "merged"
    head_moved = "head_moved"  # 409
    base_moved = "base_moved"  # 405, and trying again is right
    refused = "refused"  # 405: conflict, protection, a required check


@dataclass(frozen=True)
class Merge:
    """The answer to a merge."""

    outcome: MergeOutcome
    sha: str | None = None
    reason: str = ""


class Forge(Protocol):
    """One repository on GitHub. Raises `Transient`, `NotFound` or `ForgeError`."""

    async def info(self) -> RepositoryInfo: ...
    async def issue(self, number: int) -> Issue: ...
    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue: ...
    async def comments(self, number: int) -> list[Comment]: ...
    async def permission(self, login: str) -> Permission: ...
    async def comment(self, number: int, body: str) -> int: ...
    async def edit_comment(self, comment_id: int, body: str) -> None: ...
    async def react(self, number: int, content: str, comment_id: int | None = None) -> None: ...
    async def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None: ...
    async def close_issue(self, number: int) -> None: ...
    async def create_check(self, check: CheckRun) -> int: ...
    async def find_check(self, head_sha: str, name: str, external_id: str) -> int | None: ...
    async def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest: ...
    async def edit_pull_request(self, number: int, title: str, body: str) -> None: ...
    async def find_pull_request(self, head: str, base: str) -> PullRequest | None: ...
    async def pull_request(self, number: int) -> PullRequest: ...
    async def reviews(self, number: int) -> list[Review]: ...
    async def merge(self, number: int, head_sha: str, method: str, title: str) -> Merge: ...
    async def delete_branch(self, name: str) -> None: ...
    async def token(self) -> str: ...


class Forges(Protocol):
    """Where a `Forge` for a repository comes from."""

    def of(self, repository: Repository) -> Forge: ...


# --- git --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One changed path, against the worktree's base."""

    path: str
    status: str  # A, M, D, R
    lines: frozenset[int] = frozenset()  # 1-based lines that were added or changed in the new file


class Worktree(Protocol):
    """A checkout of its own, made from a base commit; raises `GitError`."""

    @property
    def path(self) -> Path: ...
    @property
    def base(self) -> str: ...
    async def changes(self) -> list[Change]:
        """Return what differs from the base, untracked files included, ignored ones not."""
        ...

    async def patch(self) -> bytes:
        """Return all that differs from the base as one binary patch; empty when nothing does."""
        ...

    async def restore(self, patch: bytes) -> None:
        """Make the tree the base plus `patch`, whatever it was before."""
        ...

    async def state(self) -> tuple[str, list[Change]]:
        """Return the id of the git tree that committing now would make, and what differs from the base."""
        ...

    async def commit(self, message: str, parents: Sequence[str]) -> str:
        """Commit the present tree onto `parents` (first: the branch) and return the commit's sha.

        The same tree, message and parents give the same sha: author, committer and time are derived
        from the parents, so that a repeated commit is no second one.
        """
        ...


class Clone(Protocol):
    """The one mirror of a repository on this machine; raises `GitError`."""

    async def fetch(self) -> None: ...
    async def head(self, branch: str) -> str | None: ...
    async def files(self, commit: str) -> list[str]: ...
    async def read(self, commit: str, path: str) -> bytes | None: ...
    async def diff(self, base: str, commit: str) -> str: ...
    async def changes(self, base: str, commit: str) -> list[Change]: ...
    async def tree(self, commit: str) -> str: ...
    async def is_ancestor(self, ancestor: str, commit: str) -> bool: ...
    async def merge(self, into: str, commit: str, message: str) -> str:
        """Merge `commit` into the commit `into`, without a worktree; return the merge's sha.

        Returns `commit` or `into` themselves where one already contains the other. Raises `MergeConflict`.
        """
        ...

    async def push(self, commit: str, branch: str, expected: str | None) -> None:
        """Make the remote branch point to `commit` if it is at `expected` (None: absent) or there already.

        Raises `PushRejected` otherwise.
        """
        ...

    def worktree(self, name: str, base: str, at: str | None = None) -> AbstractAsyncContextManager[Worktree]:
        """Check out `base` (or the files of `at`, compared with `base`) under `name`; removed at the end."""
        ...


class Clones(Protocol):
    """Where a `Clone` of a repository comes from."""

    async def of(self, repository: Repository) -> Clone: ...


# --- checkpoints ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """What all four checkpoints say of one tree."""

    results: tuple[CheckResult, ...]

    @property
    def green(self) -> bool:
        """Whether nothing stands in the way of a merge."""
        return bool(self.results) and not any(result.blocks for result in self.results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The results that block."""
        return tuple(result for result in self.results if result.blocks)


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

    def bench(self, clone: Clone, worktree: Worktree, commands: CommandSettings, setup: str | None) -> Workbench: ...


# --- models -----------------------------------------------------------------------------------------


class Step(StrEnum):
    """What a model is asked for (the names are a contract: header `X-Aurora-Step`)."""

    parse = "parse"
    plan = "plan"
    generate = "generate"
    reflect = "reflect"
    merge = "merge"
    review = "review"


@dataclass(frozen=True)
class Call:
    """Who asks a model for what; `scope` and the position of the answer in it name the call for ever."""

    project_id: UUID
    task_id: UUID | None  # None: Maestro's own
    role: AgentRole
    step: Step
    attempt: int  # 1-based
    scope: str  # e.g. "parse", "plan", "r0.a1.v2": round, attempt, visit


@dataclass(frozen=True)
class Usage:
    """What a model call used."""

    input_tokens: int
    output_tokens: int
    seconds: float
    usd: float


class EntryKind(StrEnum):
    """What a journal entry is."""

    model = "model"
    tool = "tool"


@dataclass(frozen=True)
class Entry:
    """One model answer or tool result, as it was before it was used."""

    kind: EntryKind
    content: dict[str, Any]  # JSON
    patch: bytes | None = None  # all uncommitted changes against the base, where a tool changed files


class Journal(Protocol):
    """The record of one task (or of Maestro's own calls), fenced by its lease, and the money behind it.

    Every method raises `LeaseLost` when another worker has taken over.
    """

    async def read(self, scope: str) -> list[Entry]:
        """Return what is recorded in `scope`, in order."""
        ...

    async def append(self, scope: str, position: int, entry: Entry) -> None:
        """Record a tool result at the 0-based `position`."""
        ...

    async def reserve(self, call: Call, position: int, model: str, usd: float) -> UUID:
        """Set the worst case of a call aside; raises `BudgetExceeded`."""
        ...

    async def settle(self, reservation: UUID, usage: Usage, entry: Entry) -> None:
        """Record the answer at the reserved position and replace its worst case by what it cost, at once."""
        ...

    async def forfeit(self, reservation: UUID, *, sent: bool) -> None:
        """Close a reservation without an answer: spent when the request was `sent`, given back when not."""
        ...


class Thinker(Protocol):
    """A model that answers in a given form, once per scope; a recorded answer isn't asked for again."""

    async def answer(self, call: Call, journal: Journal, form: type[T], prompt: "Prompt") -> T:
        """Return a valid answer.

        Raises `BadAnswer` when none came in a few tries, `ModelError`, `BudgetExceeded` or `Transient`.
        """
        ...


@dataclass(frozen=True)
class Prompt:
    """What is said to a model: what stays the same first, so that its prefix can be cached."""

    system: str
    user: str


class WorkEnd(StrEnum):
    """How an agent's work on an attempt ended."""

    done = "done"
    exhausted = "exhausted"  # steps, tokens or seconds are used up
    stuck = "stuck"  # no usable answer came


@dataclass(frozen=True)
class WorkResult:
    """What an agent says after its work; the work itself is in the worktree."""

    end: WorkEnd
    summary: str
    steps: int


class Agent(Protocol):
    """A role at work in a worktree; a resumed call replays its journal and goes on after it."""

    async def work(
        self, call: Call, journal: Journal, prompt: Prompt, worktree: Worktree, bench: Workbench
    ) -> WorkResult:
        """Change the worktree until done or out of limits.

        Raises `ModelError`, `BudgetExceeded`, `LeaseLost` or `Transient`; bad answers end in `WorkEnd.stuck`.
        """
        ...


# --- records ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """What a checkpoint said of a commit."""

    commit: str
    result: CheckResult
    task_id: UUID | None  # None: the combination
    attempt: int


@dataclass(frozen=True)
class Memory:
    """Something worth knowing later, with where it comes from."""

    kind: str  # decision, pattern, reflexion, conflict
    content: str
    source: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Handled:
    """Messages that have had their effect."""

    messages: tuple[UUID, ...]


@dataclass(frozen=True)
class Postponed:
    """Messages to be handled later."""

    messages: tuple[UUID, ...]
    seconds: float


@dataclass(frozen=True)
class Revoked:
    """Tasks that are taken away from whoever works on them."""

    tasks: tuple[UUID, ...]


Fact = Project | Task | AgentMessage | AgentError | Checked | Memory | Handled | Postponed | Revoked


@dataclass(frozen=True)
class ModelCall:
    """One model call, as the account knows it."""

    task_id: UUID | None
    step: str
    model: str
    usd: float
    input_tokens: int
    output_tokens: int
    seconds: float


class Records(Protocol):
    """The rows of one project, as the holder of a lease reads and writes them."""

    async def project(self) -> Project: ...
    async def tasks(self) -> list[Task]: ...
    async def checks(self, commit: str) -> list[CheckResult]: ...
    async def calls(self) -> list[ModelCall]: ...
    async def write(self, *facts: Fact) -> None:
        """Write all or nothing, then ring for the messages among them; raises `LeaseLost`."""
        ...


Outcome = dict[str, Any]  # JSON


class Effects(Protocol):
    """Writes that others can see: done once, whatever dies in between."""

    async def once(
        self,
        key: str,
        act: Callable[[], Awaitable[Outcome]],
        find: Callable[[], Awaitable[Outcome | None]],
    ) -> Outcome:
        """Return the outcome of the effect `key` of this project.

        A known outcome is returned. After an intent without one, `find` looks for what it may have left.
        Where there is nothing, `act` does it.
        """
        ...


# --- time -------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The present moment, timezone-aware, in UTC."""

    def __call__(self) -> datetime: ...
