"""Stand-ins that implement the core's ports in memory: GitHub, git, models, agents and checkpoints.

They are no kinder than the real ones: a push that isn't expected is rejected, an answer can be lost after the
write, a pull request's head moves with its branch.
"""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.ports import (
    Call,
    Change,
    CheckRun,
    CheckSuite,
    Comment,
    Conflicted,
    Entry,
    EntryKind,
    Execution,
    ForeignCheck,
    Issue,
    Journal,
    Labelling,
    Merge,
    MergeOutcome,
    Permission,
    Prompt,
    PullRequest,
    RepositoryInfo,
    Review,
    ReviewComment,
    Sight,
    Step,
    Usage,
    WorkEnd,
    WorkResult,
)
from app.domain.project import Repository
from app.domain.repository_settings import CommandSettings
from app.errors import ForgeError, GitError, MergeConflict, NotFound, PushRejected, Transient

T = TypeVar("T", bound=BaseModel)
Files = dict[str, str]
START = datetime(2026, 1, 1, tzinfo=UTC)
APP_SLUG = "aurora-dev"
APP_LOGIN = f"{APP_SLUG}[bot]"
IN_PROGRESS = ""  # the conclusion of a check run that has none yet
MAIN = "main"


class FakeClock:
    """A clock that goes on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


# --- git


@dataclass(frozen=True)
class Commit:
    """A whole tree, where it comes from, and why."""

    files: Mapping[str, str]
    parents: tuple[str, ...]
    message: str


@dataclass
class FakeGit:
    """All commits there are, and the branches on GitHub."""

    commits: dict[str, Commit] = field(default_factory=dict)
    remote: dict[str, str] = field(default_factory=dict)
    pushes: list[tuple[str, str]] = field(default_factory=list)

    def commit(self, files: Mapping[str, str], parents: Sequence[str] = (), message: str = "Work") -> str:
        """Make a commit; the same content is the same commit."""
        made = Commit(dict(sorted(files.items())), tuple(parents), message)
        sha = hashlib.sha1(json.dumps([made.files, made.parents, message]).encode()).hexdigest()
        self.commits[sha] = made
        return sha

    def onto(self, branch: str, **files: str) -> str:
        """Commit onto a branch on GitHub, as a person would; `a_py="x"` writes `a.py`."""
        before = self.remote.get(branch) or self.remote[MAIN]
        named = {name.replace("_", "."): text for name, text in files.items()}
        self.remote[branch] = self.commit({**self.commits[before].files, **named}, [before], "By a person")
        return self.remote[branch]

    def ancestors(self, sha: str) -> set[str]:
        """Return everything that a commit contains, itself included."""
        found, queue = set(), [sha]
        while queue:
            one = queue.pop()
            if one not in found:
                found.add(one)
                queue += self.commits[one].parents
        return found

    def merge(self, into: str, commit: str, message: str) -> str:
        """Merge path by path; raises `MergeConflict` where both sides changed the same one."""
        if commit in self.ancestors(into):
            return into
        if into in self.ancestors(commit):
            return commit
        merged, conflicts = self.attempt(into, commit)
        if conflicts:
            paths = tuple(one.path for one in conflicts)
            raise MergeConflict(f"The same lines were changed in {', '.join(paths)}.", paths)
        return self.commit(merged, [into, commit], message)

    def attempt(self, into: str, commit: str) -> tuple[Files, list[Conflicted]]:
        """Return what merges by itself, and what doesn't."""
        common = self.ancestors(into) & self.ancestors(commit)
        newest = [one for one in common if not any(one in self.ancestors(other) - {other} for other in common)]
        old = self.commits[min(newest)].files if newest else {}
        ours, theirs = self.commits[into].files, self.commits[commit].files
        merged, conflicts = {}, []
        for path in sorted({*old, *ours, *theirs}):
            before, one, other = old.get(path), ours.get(path), theirs.get(path)
            text = one if other == before else other
            if before in {one, other} or one == other:
                merged |= {path: text} if text is not None else {}
            elif one is None or other is None:
                conflicts.append(Conflicted(path, obstacle="one side deleted it"))
            else:
                conflicts.append(Conflicted(path, before, one, other))
        return merged, conflicts


class FakeWorktree:
    """A checkout in memory; agents write to `files`."""

    def __init__(self, git: FakeGit, base: str, files: Mapping[str, str], trailer: str = "") -> None:
        self.git, self._base, self.files, self._trailer = git, base, dict(files), trailer

    @property
    def path(self) -> Path:
        return Path("/nowhere")

    @property
    def base(self) -> str:
        return self._base

    async def changes(self) -> list[Change]:
        return changes(self.git.commits[self._base].files, self.files)

    async def patch(self) -> bytes:
        changed = {change.path: self.files.get(change.path) for change in await self.changes()}
        return json.dumps(changed).encode() if changed else b""

    async def restore(self, patch: bytes) -> None:
        changed = json.loads(patch or b"{}")
        whole = {**self.git.commits[self._base].files, **changed}
        self.files = {path: text for path, text in whole.items() if text is not None}

    async def state(self) -> tuple[str, list[Change]]:
        return hashlib.sha1(json.dumps(sorted(self.files.items())).encode()).hexdigest(), await self.changes()

    async def commit(self, message: str, parents: Sequence[str], paths: Sequence[str] | None = None) -> str:
        whole = message + self._trailer
        if paths is None:
            return self.git.commit(self.files, parents, whole)
        before = self.git.commits[parents[0]].files
        named = {path: self.files[path] for path in paths if path in self.files}
        return self.git.commit({**{k: v for k, v in before.items() if k not in paths}, **named}, parents, whole)


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Return what differs, file by file."""

    def status(path: str) -> str:
        return "A" if path not in old else "D" if path not in new else "M"

    return [Change(path, status(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)]


SIGNED_OFF = "\n\nSigned-off-by: aurora"


class FakeClone:
    """A mirror whose branches are those of the last fetch."""

    def __init__(self, git: FakeGit, heads: dict[str, str] | None = None, trailer: str = "") -> None:
        self.git, self.heads, self._trailer = git, {} if heads is None else heads, trailer
        self.taken_back: list[tuple[str, str]] = []  # base and head of the pull requests

    def signing_off(self) -> "FakeClone":
        return FakeClone(self.git, self.heads, SIGNED_OFF)

    async def fetch(self) -> None:
        self.heads.clear()
        self.heads.update(self.git.remote)

    async def head(self, branch: str) -> str | None:
        return self.heads.get(branch)

    async def files(self, commit: str) -> list[str]:
        return sorted(self.git.commits[commit].files)

    async def read(self, commit: str, path: str) -> bytes | None:
        if commit not in self.git.commits:
            raise GitError(f"git ls-tree failed: Not a valid object name {commit}")
        text = self.git.commits[commit].files.get(path)
        return text.encode() if text is not None else None

    async def diff(self, base: str, commit: str) -> str:
        new = self.git.commits[commit].files
        return "\n".join(
            f"{one.status} {one.path}\n{new.get(one.path, '')}" for one in await self.changes(base, commit)
        )

    async def changes(self, base: str, commit: str) -> list[Change]:
        return changes(self.git.commits[base].files, self.git.commits[commit].files)

    async def tree(self, commit: str) -> str:
        return hashlib.sha1(json.dumps(sorted(self.git.commits[commit].files.items())).encode()).hexdigest()

    async def subjects(self, commit: str, most: int) -> list[str]:
        found, at = list[str](), [commit]
        while at and len(found) < most:
            one = self.git.commits[at[0]]
            found += [one.message.splitlines()[0]] if len(one.parents) < 2 else []
            at = list(one.parents)
        return found

    async def is_ancestor(self, ancestor: str, commit: str) -> bool:
        return ancestor in self.git.ancestors(commit)

    async def merge(self, into: str, commit: str, message: str) -> str:
        return self.git.merge(into, commit, message + self._trailer)

    async def take_back(self, onto: str, merged: str, work: tuple[str, str], message: str) -> str:
        self.taken_back.append(work)
        before, after = self.git.commits[work[0]].files, self.git.commits[merged].files
        undone = self.git.commit(before, [merged], f"Without {merged} on {onto}")
        assert after != before
        tree = self.git.commits[self.git.merge(onto, undone, message)].files
        return self.git.commit(tree, [onto], message)

    async def rewrite(self, commit: str, path: str, content: bytes, message: str) -> str:
        return self.git.commit({**self.git.commits[commit].files, path: content.decode()}, [commit], message)

    async def conflicts(self, into: str, commit: str) -> tuple[Conflicted, ...]:
        return tuple(self.git.attempt(into, commit)[1])

    async def resolve(self, into: str, commit: str, message: str, files: Mapping[str, str]) -> str:
        merged, conflicts = self.git.attempt(into, commit)
        assert {one.path for one in conflicts if not one.obstacle} == set(files)
        return self.git.commit({**merged, **files}, [into, commit], message)

    async def words(self, commit: str, but_not: str) -> str:
        only = self.git.ancestors(commit) - self.git.ancestors(but_not)
        return "\n".join(sorted(f"- {self.git.commits[one].message}" for one in only))

    async def push(self, commit: str, branch: str, expected: str | None) -> None:
        if self.git.remote.get(branch) not in {expected, commit}:
            raise PushRejected(f"{branch} isn't where it was expected.")
        if self.git.remote.get(branch) != commit:
            self.git.pushes.append((branch, commit))
        self.git.remote[branch] = self.heads[branch] = commit

    def worktree(self, name: str, base: str, at: str | None = None) -> AbstractAsyncContextManager[FakeWorktree]:
        return self._worktree(base, at)

    @asynccontextmanager
    async def _worktree(self, base: str, at: str | None) -> AsyncIterator[FakeWorktree]:
        yield FakeWorktree(self.git, base, self.git.commits[at or base].files, self._trailer)


class FakeClones:
    """One clone for all."""

    def __init__(self, clone: FakeClone) -> None:
        self.clone = clone

    async def of(self, repository: Repository, *, sign_off: bool = False) -> FakeClone:
        return self.clone.signing_off() if sign_off else self.clone


# --- GitHub


@dataclass
class FakePull:
    """A pull request; its head is wherever its branch is."""

    number: int
    title: str
    body: str
    head: str
    base: str
    head_sha: str
    state: str = "open"
    merged: bool = False
    merge_commit: str | None = None
    reviews: list[Review] = field(default_factory=list)
    lines: list[ReviewComment] = field(default_factory=list)  # comments on them
    asked: list[str] = field(default_factory=list)  # for another review


@dataclass
class FakeForge:
    """One repository on GitHub, as a `Forge`.

    `lose` names methods whose next answer is lost after they did their work; `missing` how often a method says 404
    first; `fail` what a method raises each time; `outcomes` are the answers to the next merges.
    """

    git: FakeGit
    archived: bool = False
    merge_methods: tuple[str, ...] = ("squash", "merge")
    issues: dict[int, Issue] = field(default_factory=dict)
    labellings: dict[int, Labelling] = field(default_factory=dict)  # what isn't here isn't told
    permissions: dict[str, Permission] = field(default_factory=dict)
    said: list[tuple[int, Comment]] = field(default_factory=list)
    checks: list[CheckRun] = field(default_factory=list)
    pulls: dict[int, FakePull] = field(default_factory=dict)
    reactions: set[tuple[int, str]] = field(default_factory=set)
    reacted: list[tuple[int | None, str]] = field(default_factory=list)  # to comments, or None: to the issue
    merges: list[tuple[int, str, str]] = field(default_factory=list)
    outcomes: list[Merge] = field(default_factory=list)
    lose: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    fail: dict[str, Exception] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    foreign: list[ForeignCheck] = field(default_factory=list)  # of every commit that isn't in `foreign_of`
    foreign_of: dict[str, list[ForeignCheck]] = field(default_factory=dict)
    suites: list[CheckSuite] = field(default_factory=list)  # of every commit, beside the app's own
    names: dict[int, str] = field(default_factory=dict)  # of repositories, by their numbers
    installation: int = 5  # which has every repository
    sight: Sight = Sight.whole  # of it
    withheld: set[str] = field(default_factory=set)  # from the app, by their names

    def _asked(self, name: str) -> None:
        self.calls[name] += 1
        if name in self.fail:
            raise self.fail[name]
        if self.missing[name] > 0:
            self.missing[name] -= 1
            raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)

    def _answered(self, name: str) -> None:
        if self.lose[name] > 0:
            self.lose[name] -= 1
            raise Transient("GitHub can't be reached: the answer was lost.")

    async def info(self) -> RepositoryInfo:
        self._asked("info")
        return RepositoryInfo(MAIN, self.merge_methods, self.archived)

    async def issue(self, number: int) -> Issue:
        self._asked("issue")
        if number not in self.issues:
            raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)
        return self.issues[number]

    async def labelling(self, number: int, label: str) -> Labelling | None:
        self._asked("labelling")
        return self.labellings.get(number)

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        self._asked("open_issue")
        number = max([*self.issues, *self.pulls, 0]) + 1
        self.issues[number] = Issue(number, title, body, APP_LOGIN, "open", tuple(labels), by_this_app=True)
        self._answered("open_issue")
        return self.issues[number]

    async def find_issue(self, marker: str, label: str, since: datetime) -> Issue | None:
        self._asked("find_issue")
        own = (one for one in self.issues.values() if one.by_this_app and label in one.labels)
        return next((one for one in own if one.body.startswith(marker)), None)

    async def comments(self, number: int) -> list[Comment]:
        self._asked("comments")
        return [comment for where, comment in self.said if where == number]

    async def read_comment(self, comment_id: int) -> Comment:
        self._asked("read_comment")
        found = next((comment for _, comment in self.said if comment.id == comment_id), None)
        if found is None:
            raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)
        return found

    async def permission(self, login: str) -> Permission:
        self._asked("permission")
        return self.permissions.get(login, Permission.none)

    async def comment(self, number: int, body: str) -> int:
        self._asked("comment")
        identity = self.say(number, APP_LOGIN, body, by_this_app=True)
        self._answered("comment")
        return identity

    def say(self, number: int, author: str, body: str, *, by_this_app: bool = False) -> int:
        """Comment as anybody."""
        identity = 100 + len(self.said)
        at = START + timedelta(seconds=identity)
        self.said.append((number, Comment(identity, author, body, at, by_this_app)))
        return identity

    async def find_comment(self, number: int, marker: str) -> int | None:
        every = await self.comments(number)
        return next((one.id for one in every if one.by_this_app and marker in one.body), None)

    async def edit_comment(self, comment_id: int, body: str) -> None:
        self._asked("edit_comment")
        for position, (number, comment) in enumerate(self.said):
            if comment.id == comment_id:
                self.said[position] = (number, replace(comment, body=body))
                return
        raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)

    async def react(self, number: int, content: str, comment_id: int | None = None) -> None:
        self._asked("react")
        self.reactions.add((number, content))
        self.reacted.append((comment_id, content))

    async def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        self._asked("change_labels")
        issue = await self.issue(number)
        kept = [label for label in issue.labels if label not in {*remove, *add}]
        self.issues[number] = replace(issue, labels=(*kept, *add))
        self._answered("change_labels")

    async def close_issue(self, number: int) -> None:
        self._asked("close_issue")
        self.issues[number] = replace(self.issues[number], state="closed")
        self._answered("close_issue")

    async def begin_check(self, name: str, head_sha: str, external_id: str, started_at: datetime) -> int:
        self._asked("begin_check")
        self.checks.append(CheckRun(name, head_sha, external_id, IN_PROGRESS, "", "", started_at, started_at))
        self._answered("begin_check")
        return len(self.checks)

    async def create_check(self, check: CheckRun, begun: int | None = None) -> int:
        self._asked("create_check")
        if begun is None:
            self.checks.append(check)
        else:
            self.checks[begun - 1] = check
        self._answered("create_check")
        return begun or len(self.checks)

    async def find_check(self, head_sha: str, name: str, external_id: str, *, ended: bool = True) -> int | None:
        wanted = (head_sha, name, external_id)
        known = [
            (one.head_sha, one.name, "" if ended and one.conclusion == IN_PROGRESS else one.external_id)
            for one in self.checks
        ]
        return known.index(wanted) + 1 if wanted in known else None

    async def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest:
        self._asked("open_pull_request")
        found = await self.find_pull_request(head, base)
        if found is None or found.state != "open":
            if head not in self.git.remote:
                raise ForgeError("GitHub refused the request (HTTP 422): head is invalid", 422)
            number = max([*self.issues, *self.pulls, 0]) + 1
            self.pulls[number] = FakePull(number, title, body, head, base, self.git.remote[head])
            found = await self.pull_request(number)
        self._answered("open_pull_request")
        return found

    async def edit_pull_request(self, number: int, title: str, body: str) -> None:
        self._asked("edit_pull_request")
        self.pulls[number].title, self.pulls[number].body = title, body

    async def find_pull_request(self, head: str, base: str) -> PullRequest | None:
        found = [pull for pull in self.pulls.values() if (pull.head, pull.base) == (head, base)]
        return await self.pull_request(found[-1].number) if found else None

    async def pull_request(self, number: int) -> PullRequest:
        self._asked("pull_request")
        pull = self.pulls[number]
        if pull.state == "open":
            pull.head_sha = self.git.remote.get(pull.head, pull.head_sha)
        base = self.git.remote[pull.base]
        url = f"https://example.org/pull/{number}"
        return PullRequest(
            number, url, pull.state, pull.merged, pull.head_sha, pull.base, base, mergeable=True, head_ref=pull.head,
            author=APP_LOGIN, merge_commit_sha=pull.merge_commit,
        )  # fmt: skip

    def review(self, number: int, author: str, state: str, commit: str, body: str = "") -> None:
        """Submit a review."""
        reviews, asked = self.pulls[number].reviews, self.pulls[number].asked
        asked[:] = [login for login in asked if login != author]  # who has answered is asked no more
        at = START + timedelta(seconds=len(reviews))
        reviews.append(Review(author, state, commit, body, at, 500 + len(reviews)))

    async def reviews(self, number: int) -> list[Review]:
        return list(self.pulls[number].reviews)

    def remark(self, number: int, author: str, body: str, path: str, line: int | None = 1, **more: Any) -> int:
        """Comment on a line, or answer in the thread `thread`."""
        pull = self.pulls[number]
        identity = 800 + len(pull.lines)
        at = START + timedelta(seconds=identity)
        place: dict[str, Any] = {"thread": identity, "start_line": None, "commit_sha": pull.head_sha, **more}
        pull.lines.append(
            ReviewComment(id=identity, author=author, body=body, path=path, line=line, created_at=at, **place)
        )
        return identity

    async def review_comments(self, number: int) -> list[ReviewComment]:
        self._asked("review_comments")
        return list(self.pulls[number].lines)

    async def reply(self, number: int, thread: int, body: str) -> int:
        self._asked("reply")
        first = next(one for one in self.pulls[number].lines if one.id == thread)
        made = self.remark(number, APP_LOGIN, body, first.path, first.line, thread=thread, by_this_app=True)
        self._answered("reply")
        return made

    async def find_reply(self, number: int, marker: str) -> int | None:
        return next((one.id for one in self.pulls[number].lines if one.by_this_app and marker in one.body), None)

    async def request_reviews(self, number: int, logins: Sequence[str]) -> None:
        self._asked("request_reviews")
        asked = self.pulls[number].asked
        asked += [login for login in logins if login not in asked]

    async def foreign_checks(self, head_sha: str, *, annotated: bool = True) -> list[ForeignCheck]:
        self._asked("foreign_checks")
        return list(self.foreign_of.get(head_sha, self.foreign))

    async def check_suites(self, head_sha: str) -> list[CheckSuite]:
        self._asked("check_suites")
        return [CheckSuite(APP_SLUG, own=True, running=False, runs=4, created_at=START), *self.suites]

    async def merge(self, number: int, head_sha: str, method: str, title: str) -> Merge:
        self._asked("merge")
        answer = self.outcomes.pop(0) if self.outcomes else None
        if answer is None:
            pull = await self.pull_request(number)
            if pull.state != "open":
                return Merge(MergeOutcome.refused, reason="Pull Request is not mergeable")
            if pull.head_sha != head_sha:
                return Merge(MergeOutcome.head_moved)
            answer = Merge(MergeOutcome.merged, sha=self.merge_by_hand(number))
            self.merges.append((number, head_sha, method))
        self._answered("merge")
        return answer

    def merge_by_hand(self, number: int) -> str:
        """Press the merge button."""
        pull = self.pulls[number]
        head = self.git.remote[pull.head]
        pull.state, pull.merged, pull.head_sha = "closed", True, head
        self.git.remote[pull.base] = self.git.merge(self.git.remote[pull.base], head, "Merge the pull request")
        pull.merge_commit = self.git.remote[pull.base]
        return self.git.remote[pull.base]

    async def delete_branch(self, name: str) -> None:
        self._asked("delete_branch")
        self.git.remote.pop(name, None)
        self._answered("delete_branch")

    async def token(self) -> str:
        return "token"


class FakeForges:
    """One repository for all."""

    def __init__(self, forge: FakeForge) -> None:
        self.forge = forge

    def of(self, repository: Repository) -> FakeForge:
        if repository.installation_id != self.forge.installation:
            raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)  # there are no tokens for it
        return self.forge

    async def find(self, full_name: str) -> Repository:
        self.forge.calls["find"] += 1
        if self.forge.sight is Sight.gone or full_name in self.forge.withheld:
            raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)
        return Repository(full_name=full_name, installation_id=self.forge.installation)

    async def sight(self, installation_id: int) -> Sight:
        return self.forge.sight

    async def called(self, number: int, installation_id: int) -> str | None:
        return self.forge.names.get(number)


# --- models and agents

Answer = Mapping[str, Any] | BaseModel | Exception
Script = Answer | list[Answer] | Callable[[Call, Prompt], Answer]


@dataclass
class FakeThinker:
    """Answers by step, and keeps to the contract: what the journal has isn't asked for again."""

    answers: dict[Step, Script] = field(default_factory=dict)
    asked: list[tuple[Call, Prompt]] = field(default_factory=list)

    def prompts(self, step: Step) -> list[str]:
        """Return what was said to the model in a step, in order."""
        return [prompt.user for call, prompt in self.asked if call.step is step]

    async def answer(self, call: Call, journal: Journal, form: type[T], prompt: Prompt) -> T:
        recorded = await journal.read(call.scope)
        if recorded:
            return form.model_validate(recorded[0].content)
        self.asked.append((call, prompt))
        given = self._next(call, prompt)
        if isinstance(given, Exception):
            raise given
        answer = form.model_validate(given if isinstance(given, Mapping) else given.model_dump())
        reservation = await journal.reserve(call, 0, "fake", 0.01)
        entry = Entry(EntryKind.model, answer.model_dump(mode="json"))
        await journal.settle(reservation, Usage(10, 5, 1.0, 0.005), entry)
        return answer

    def _next(self, call: Call, prompt: Prompt) -> Answer:
        script = self.answers[call.step]
        if isinstance(script, list):
            return script.pop(0) if len(script) > 1 else script[0]
        return script(call, prompt) if callable(script) else script


Deed = Callable[[Call, Prompt, FakeWorktree], WorkResult | None]


@dataclass
class FakeAgent:
    """Does in a worktree what `deed` says; a recorded visit isn't done again, as the journal demands."""

    deed: Deed
    visits: list[tuple[Call, Prompt]] = field(default_factory=list)

    async def work(
        self, call: Call, journal: Journal, prompt: Prompt, worktree: FakeWorktree, bench: object
    ) -> WorkResult:
        recorded = await journal.read(call.scope)
        if recorded:
            await worktree.restore(recorded[0].patch or b"")
            content = recorded[0].content
            return WorkResult(WorkEnd(content["end"]), content["summary"], content["steps"])
        self.visits.append((call, prompt))
        result = self.deed(call, prompt, worktree) or WorkResult(WorkEnd.done, "Done.", 1)
        reservation = await journal.reserve(call, 0, "fake", 0.01)
        content = {"end": result.end, "summary": result.summary, "steps": result.steps}
        entry = Entry(EntryKind.model, content, await worktree.patch())
        await journal.settle(reservation, Usage(10, 5, 1.0, 0.005), entry)
        return result


# --- checkpoints

Verdict = Callable[[Mapping[str, str], Checkpoint], Conclusion]


def passes(_: Mapping[str, str], __: Checkpoint) -> Conclusion:
    """Find nothing wrong."""
    return Conclusion.passed


def finds(word: str, checkpoint: Checkpoint, conclusion: Conclusion = Conclusion.failed) -> Verdict:
    """Fail a checkpoint where a file contains the word."""

    def judge(files: Mapping[str, str], which: Checkpoint) -> Conclusion:
        found = which is checkpoint and any(word in text for text in files.values())
        return conclusion if found else Conclusion.passed

    return judge


class FakeBench:
    """Judges a worktree by a function of its files; notes in which order it was asked."""

    def __init__(self, worktree: FakeWorktree, checkers: "FakeCheckers") -> None:
        self.worktree, self.checkers = worktree, checkers

    async def syntax(self) -> CheckResult:
        return self._judge(Checkpoint.syntax)

    async def types(self) -> CheckResult:
        return self._judge(Checkpoint.types)

    async def lint(self) -> CheckResult:
        return self._judge(Checkpoint.lint)

    async def tests(self) -> CheckResult:
        return self._judge(Checkpoint.tests)

    def _judge(self, checkpoint: Checkpoint) -> CheckResult:
        self.checkers.judged.append(checkpoint)
        conclusion = self.checkers.verdict(self.worktree.files, checkpoint)
        found = (Finding(path="a.py", line=3, code="X1", message=f"{checkpoint} is wrong"),)
        return CheckResult(
            checkpoint=checkpoint, conclusion=conclusion, title=f"{checkpoint} {conclusion}", summary="",
            findings=found if conclusion is Conclusion.failed else (), started_at=START, completed_at=START,
        )  # fmt: skip

    async def format(self) -> list[str]:
        altered = [path for path, text in self.worktree.files.items() if "UGLY" in text]
        for path in altered:
            self.worktree.files[path] = self.worktree.files[path].replace("UGLY", "PRETTY")
        return altered

    async def run(self, command: str, seconds: float) -> Execution:
        return Execution(0, "")

    def anticipate(self) -> None:
        """Judge nothing ahead."""

    async def calm(self) -> None:
        """End nothing."""

    def syntax_error(self, path: str, text: str) -> Finding | None:
        return None


@dataclass
class FakeCheckers:
    """Where fake benches come from."""

    verdict: Verdict = passes
    judged: list[Checkpoint] = field(default_factory=list)
    fresh: int = 0  # how many benches were to judge anew
    benches: list[CommandSettings] = field(default_factory=list)  # the commands of each

    async def prepare(self, clone: object, base: str, commands: CommandSettings, setup: str | None) -> None:
        """Nothing has to be installed."""

    def bench(
        self,
        clone: object,
        worktree: FakeWorktree,
        commands: CommandSettings,
        setup: str | None,
        *,
        fresh: bool = False,
    ) -> FakeBench:
        self.fresh += fresh
        self.benches.append(commands)
        return FakeBench(worktree, self)


def write(files: Files) -> Deed:
    """Return the deed of writing these files."""

    def deed(_: Call, __: Prompt, worktree: FakeWorktree) -> None:
        worktree.files.update(files)

    return deed


def named(items: Iterable[CheckRun]) -> list[str]:
    """Return the names of check runs, sorted."""
    return sorted(item.name for item in items)
