"""One repository on GitHub: the `Forge` of the core, over REST."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.ports import (
    CheckRun,
    Comment,
    Issue,
    Merge,
    MergeOutcome,
    Permission,
    PullRequest,
    RepositoryInfo,
    Review,
)
from app.domain.project import Repository
from app.errors import ForgeError, NotFound
from app.github import reading
from app.github.auth import InstallationCredentials, Sleep
from app.github.client import GitHubClient, found_within
from app.github.identity import AppIdentity
from app.github.markdown import COMMENT_LIMIT, SUMMARY_LIMIT, fit

ANNOTATIONS_A_REQUEST = 50
ANNOUNCED_PAUSES = (0.5, 1.0, 2.0)  # seconds; a thing may be 404 just after its webhook
MERGEABLE_PAUSES = (0.5, 1.0, 1.5, 2.0)  # seconds; mergeability is worked out in the background
TITLE_LIMIT = 256
LABEL_COLOURS = {  # by a word in the label's name
    "working": "1d76db",
    "waiting": "fbca04",
    "done": "0e8a16",
    "escalated": "d93f0b",
}
LABEL_COLOUR = "6f42c1"
LABEL_DESCRIPTION = "Used by AURORA-DEV"

_URL = "/repos/{owner}/{repo}"


@dataclass(frozen=True)
class Surroundings:
    """What every forge of the app shares."""

    identity: Callable[[], Awaitable[AppIdentity]]
    web_url: str
    sleep: Sleep = asyncio.sleep
    known_labels: set[tuple[str, str]] = field(default_factory=set)  # repository, label: those that exist


class GitHubForge:
    """One repository, spoken to as one installation."""

    def __init__(
        self,
        repository: Repository,
        client: GitHubClient,
        credentials: InstallationCredentials,
        shared: Surroundings,
    ) -> None:
        """Share the installation's client and token with its other repositories."""
        self._vars = dict(zip(("owner", "repo"), repository.full_name.split("/", 1), strict=True))
        self._name = repository.full_name
        self._client = client
        self._credentials = credentials
        self._shared = shared

    async def info(self) -> RepositoryInfo:
        """Return what GitHub knows of the repository."""
        return reading.repository_info(await self._get(""), self._shared.web_url)

    async def issue(self, number: int) -> Issue:
        """Return an issue; it may have been announced a moment ago."""
        data = await self._announced("/issues/{number}", number=number)
        return reading.issue(data, await self._shared.identity())

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """Open an issue."""
        await self._ensure_labels(labels)
        content = {"title": title[:TITLE_LIMIT], "body": fit(body, COMMENT_LIMIT), "labels": list(labels)}
        return reading.issue(await self._post("/issues", content), await self._shared.identity())

    async def comments(self, number: int) -> list[Comment]:
        """Return the comments on an issue or pull request, oldest first."""
        found = await self._list("/issues/{number}/comments?per_page=100", number=number)
        app = await self._shared.identity()
        return [reading.comment(data, app) for data in found]

    async def permission(self, login: str) -> Permission:
        """Return what `login` may do in the repository."""
        try:
            return reading.permission(await self._get("/collaborators/{login}/permission", login=login))
        except NotFound:
            return Permission.none

    async def comment(self, number: int, body: str) -> int:
        """Comment on an issue or pull request and return the comment's id."""
        content = {"body": fit(body, COMMENT_LIMIT)}
        return int((await self._post("/issues/{number}/comments", content, number=number))["id"])

    async def edit_comment(self, comment_id: int, body: str) -> None:
        """Replace a comment's text."""
        await self._patch("/issues/comments/{id}", {"body": fit(body, COMMENT_LIMIT)}, id=comment_id)

    async def react(self, number: int, content: str, comment_id: int | None = None) -> None:
        """Add a reaction to an issue or to a comment on it; the same one again changes nothing."""
        where = "/issues/comments/{id}/reactions" if comment_id else "/issues/{id}/reactions"
        await self._post(where, {"content": content}, id=comment_id or number)

    async def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove labels; those that don't exist yet are made."""
        for name in remove:
            try:
                await self._delete("/issues/{number}/labels/{name}", number=number, name=name)
            except NotFound:
                continue  # it isn't there
        if add:
            await self._ensure_labels(add)
            await self._post("/issues/{number}/labels", {"labels": list(add)}, number=number)

    async def close_issue(self, number: int) -> None:
        """Close an issue as completed."""
        await self._patch("/issues/{number}", {"state": "closed", "state_reason": "completed"}, number=number)

    async def create_check(self, check: CheckRun) -> int:
        """Write a check run with all its annotations and return its id.

        One that needs several requests stays in progress until the last of them, so that a half-written one
        is never taken for a result.
        """
        notes = self._annotations(check)
        output = {
            "title": check.title[:255],
            "summary": fit(check.summary, SUMMARY_LIMIT),
            "annotations": notes[:ANNOTATIONS_A_REQUEST],
        }
        if check.text:
            output["text"] = fit(check.text, SUMMARY_LIMIT)
        end = {
            "status": "completed",
            "conclusion": check.conclusion,
            "completed_at": _written(check.completed_at),
        }
        rest = range(ANNOTATIONS_A_REQUEST, len(notes), ANNOTATIONS_A_REQUEST)
        content: dict[str, Any] = {
            "name": check.name,
            "head_sha": check.head_sha,
            "external_id": check.external_id,
            "started_at": _written(check.started_at),
            "output": output,
            **({"status": "in_progress"} if rest else end),
        }
        number = int((await self._post("/check-runs", content))["id"])
        for start in rest:
            more = {**output, "annotations": notes[start : start + ANNOTATIONS_A_REQUEST]}
            last = end if start == rest[-1] else {}
            await self._patch("/check-runs/{id}", {"output": more, **last}, id=number)
        return number

    async def find_check(self, head_sha: str, name: str, external_id: str) -> int | None:
        """Return the id of a completed check run of this app, None when there is none."""
        app = await self._shared.identity()
        query = "/commits/{sha}/check-runs?filter=all&per_page=100{&check_name}"
        for run in await self._list(query, key="check_runs", sha=head_sha, check_name=name):
            own = (run.get("app") or {}).get("id") == app.id
            if own and run.get("external_id") == external_id and run.get("status") == "completed":
                return int(run["id"])
        return None

    async def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest:
        """Open a pull request, or return the open one that `head` already has."""
        content = {
            "title": title[:TITLE_LIMIT],
            "body": fit(body, COMMENT_LIMIT),
            "head": head,
            "base": base,
            "maintainer_can_modify": True,
        }
        try:
            return reading.pull_request(await self._post("/pulls", content))
        except ForgeError as error:
            existing = await self.find_pull_request(head, base) if error.status == 422 else None
            if existing is None or existing.state != "open":
                raise
            # Anybody may have opened it, and what it says closes issues when it is merged.
            await self.edit_pull_request(existing.number, title, body)
            return existing

    async def edit_pull_request(self, number: int, title: str, body: str) -> None:
        """Replace a pull request's title and text."""
        content = {"title": title[:TITLE_LIMIT], "body": fit(body, COMMENT_LIMIT)}
        await self._patch("/pulls/{number}", content, number=number)

    async def find_pull_request(self, head: str, base: str) -> PullRequest | None:
        """Return the pull request from a branch of this repository into `base`: an open one first, else the newest."""
        query = "/pulls?state=all&sort=created&direction=desc&per_page=100{&head}"
        data = await self._list(query, head=f"{self._vars['owner']}:{head}")
        found = [reading.pull_request(one) for one in data if one["head"]["ref"] == head]
        found = [pull for pull in found if pull.base_ref == base]
        return next((pull for pull in found if pull.state == "open"), found[0] if found else None)

    async def pull_request(self, number: int) -> PullRequest:
        """Return a pull request, waiting some seconds for its mergeability."""
        pull = reading.pull_request(await self._announced("/pulls/{number}", number=number))
        for pause in MERGEABLE_PAUSES:
            if pull.mergeable is not None or pull.state != "open":
                break
            await self._shared.sleep(pause)
            pull = reading.pull_request(await self._get("/pulls/{number}", number=number))
        return pull

    async def reviews(self, number: int) -> list[Review]:
        """Return the submitted reviews, oldest first."""
        found = await self._list("/pulls/{number}/reviews?per_page=100", number=number)
        return [reading.review(data) for data in found if data.get("state") != "PENDING"]

    async def merge(self, number: int, head_sha: str, method: str, title: str) -> Merge:
        """Merge a pull request if its head is still `head_sha`."""
        content = {"sha": head_sha, "merge_method": method}
        if method != "rebase":  # the commits keep their own titles
            content["commit_title"] = title[:TITLE_LIMIT]
        try:
            data = await self._put("/pulls/{number}/merge", content, number=number)
        except ForgeError as error:
            return await self._not_merged(error, number, head_sha)
        return Merge(MergeOutcome.merged, sha=data["sha"])

    async def delete_branch(self, name: str) -> None:
        """Delete a branch, if it is there."""
        try:
            await self._delete("/git/refs/heads{/name*}", name=name.split("/"))
        except ForgeError as error:
            if error.status not in {404, 422}:  # 422: "Reference does not exist"
                raise

    async def token(self) -> str:
        """Return a token for git over HTTP, valid for some minutes at least."""
        return await self._credentials.token()

    async def _not_merged(self, error: ForgeError, number: int, head_sha: str) -> Merge:
        reason = str(error).partition(": ")[2]  # GitHub's own words
        if error.status == 409:
            return Merge(MergeOutcome.head_moved, reason=reason)
        if error.status not in {403, 405, 422}:
            raise error
        if "base branch was modified" in str(error).lower():
            return Merge(MergeOutcome.base_moved, reason=reason)
        pull = await self.pull_request(number)
        if pull.merged and pull.head_sha == head_sha:  # an earlier answer was lost
            return Merge(MergeOutcome.merged, sha=pull.merge_commit_sha)
        return Merge(MergeOutcome.refused, reason=reason)

    def _annotations(self, check: CheckRun) -> list[dict[str, Any]]:
        level = "failure" if check.conclusion == "failure" else "warning"
        return [reading.annotation(finding, level) for finding in check.annotations if finding.path]

    async def _ensure_labels(self, names: Sequence[str]) -> None:
        for name in names:
            if (self._name, name) not in self._shared.known_labels:
                await self._ensure_label(name)
                self._shared.known_labels.add((self._name, name))

    async def _ensure_label(self, name: str) -> None:
        try:
            await self._get("/labels/{name}", name=name)
        except NotFound:
            colour = next((code for word, code in LABEL_COLOURS.items() if word in name), LABEL_COLOUR)
            content = {"name": name, "color": colour, "description": LABEL_DESCRIPTION}
            try:
                await self._post("/labels", content)
            except ForgeError as error:
                if error.status != 422:  # made by somebody else in between
                    raise

    async def _announced(self, path: str, **url_vars: Any) -> Any:
        return await found_within(lambda: self._get(path, **url_vars), self._shared.sleep, ANNOUNCED_PAUSES)

    async def _get(self, path: str, **url_vars: Any) -> Any:
        return await self._client.getitem(_URL + path, self._vars | url_vars)

    async def _list(self, path: str, key: str = "items", **url_vars: Any) -> list[Any]:
        return await self._client.list(_URL + path, self._vars | url_vars, key)

    async def _post(self, path: str, data: Mapping[str, Any], **url_vars: Any) -> Any:
        return await self._client.post(_URL + path, self._vars | url_vars, data=data)

    async def _patch(self, path: str, data: Mapping[str, Any], **url_vars: Any) -> Any:
        return await self._client.patch(_URL + path, self._vars | url_vars, data=data)

    async def _put(self, path: str, data: Mapping[str, Any], **url_vars: Any) -> Any:
        return await self._client.put(_URL + path, self._vars | url_vars, data=data)

    async def _delete(self, path: str, **url_vars: Any) -> None:
        await self._client.delete(_URL + path, self._vars | url_vars)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
