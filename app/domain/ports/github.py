"""A repository on GitHub: what is read of it and written to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.domain.checks import Finding
from app.domain.project import Repository


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
class ReviewComment:
    """A comment on lines of a pull request's diff; comments that answer each other are a thread."""

    id: int
    thread: int  # id of the thread's first comment
    author: str
    body: str
    path: str
    line: int | None  # 1-based, of the new file; None: outdated, or on a removed line
    start_line: int | None  # where it is about several lines
    commit_sha: str  # the commit whose lines these are
    created_at: datetime
    by_this_app: bool = False
    review: int = 0  # id of the review that it belongs to; 0: not known


@dataclass(frozen=True)
class Labelling:
    """One setting of a label on an issue: taken off and set again, it is another one."""

    id: int  # unique in the whole of GitHub
    actor: str
    actor_is_bot: bool
    at: datetime


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
    head_ref: str = ""  # the branch
    author: str = ""


@dataclass(frozen=True)
class Review:
    """A submitted review of a pull request."""

    author: str
    state: str  # approved, changes_requested, commented, dismissed (lower case)
    commit_sha: str
    body: str
    submitted_at: datetime
    id: int = 0


@dataclass(frozen=True)
class CheckAction:
    """A button beside a check run; pressing it sends `check_run.requested_action`."""

    label: str  # 20 characters at most
    description: str  # 40
    identifier: str  # 20


@dataclass(frozen=True)
class ForeignCheck:
    """The latest check run of a name that another app, GitHub Actions among them, made on a commit; or a status."""

    id: int
    name: str
    app: str  # its slug; of a status its context
    conclusion: str | None  # None: it has not ended
    title: str = ""
    summary: str = ""
    url: str = ""
    annotations: tuple[Finding, ...] = ()  # of those that failed
    waiting: bool = False  # for a person, who has to let it begin

    @property
    def failed(self) -> bool:
        """Whether it ended and says that something is wrong."""
        return self.conclusion in {"failure", "timed_out", "action_required", "startup_failure"}

    @property
    def running(self) -> bool:
        """Whether it ends by itself."""
        return self.conclusion is None and not self.waiting


@dataclass(frozen=True)
class CheckSuite:
    """What an app says of a commit as a whole; GitHub makes one at the push for each app that may write checks.

    That of an app that never says anything stays without runs, and running, for good.
    """

    app: str  # its slug
    own: bool  # this app's
    running: bool
    runs: int
    created_at: datetime


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
    details_url: str | None = None  # where people read more
    annotations: tuple[Finding, ...] = ()
    actions: tuple[CheckAction, ...] = ()  # three at most


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
    async def labelling(self, number: int, label: str) -> Labelling | None:
        """Return the last time that a label was set on an issue; None where GitHub doesn't tell."""
        ...

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue: ...
    async def find_issue(self, marker: str, label: str, since: datetime) -> Issue | None: ...
    async def comments(self, number: int) -> list[Comment]: ...
    async def read_comment(self, comment_id: int) -> Comment: ...
    async def permission(self, login: str) -> Permission: ...
    async def comment(self, number: int, body: str) -> int: ...
    async def find_comment(self, number: int, marker: str) -> int | None: ...
    async def edit_comment(self, comment_id: int, body: str) -> None: ...
    async def react(self, number: int, content: str, comment_id: int | None = None) -> None: ...
    async def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None: ...
    async def close_issue(self, number: int) -> None: ...
    async def begin_check(self, name: str, head_sha: str, external_id: str, started_at: datetime) -> int:
        """Show a check run as being under way; `create_check` ends it."""
        ...

    async def create_check(self, check: CheckRun, begun: int | None = None) -> int: ...
    async def find_check(self, head_sha: str, name: str, external_id: str, *, ended: bool = True) -> int | None: ...
    async def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest: ...
    async def edit_pull_request(self, number: int, title: str, body: str) -> None: ...
    async def find_pull_request(self, head: str, base: str) -> PullRequest | None: ...
    async def pull_request(self, number: int) -> PullRequest: ...
    async def reviews(self, number: int) -> list[Review]: ...
    async def review_comments(self, number: int) -> list[ReviewComment]:
        """Return the comments on lines, oldest first."""
        ...

    async def reply(self, number: int, thread: int, body: str) -> int:
        """Answer in the thread of a review comment; return the new comment's id."""
        ...

    async def find_reply(self, number: int, marker: str) -> int | None: ...
    async def request_reviews(self, number: int, logins: Sequence[str]) -> None:
        """Ask these people for a review again; those who can't be asked are left out."""
        ...

    async def foreign_checks(self, head_sha: str, *, annotated: bool = True) -> list[ForeignCheck]: ...
    async def check_suites(self, head_sha: str) -> list[CheckSuite]: ...
    async def merge(self, number: int, head_sha: str, method: str, title: str) -> Merge: ...
    async def delete_branch(self, name: str) -> None: ...
    async def token(self) -> str: ...


class Sight(StrEnum):
    """How an installation of the app stands."""

    whole = "whole"  # the app sees what it was given
    suspended = "suspended"  # it sees nothing for now
    gone = "gone"  # it was uninstalled; the next one has another number


class Forges(Protocol):
    """Where a `Forge` for a repository comes from."""

    def of(self, repository: Repository) -> Forge: ...
    async def find(self, full_name: str) -> Repository:
        """Return a repository by its name with the installation that covers it; raises `NotFound`."""
        ...

    async def sight(self, installation_id: int) -> Sight: ...
