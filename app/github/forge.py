"""One repository on GitHub: the `Forge` of the core, over REST."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.ports import (
    Comment,
    Issue,
    Labelling,
    Merge,
    MergeOutcome,
    Permission,
    PullRequest,
    RepositoryInfo,
)
from app.errors import ForgeError, NotFound, Transient
from app.github import reading
from app.github.check_runs import CheckRuns
from app.github.markdown import COMMENT_LIMIT, fit
from app.github.rest import ANNOUNCED_PAUSES, STALE_PAUSES, missing
from app.github.reviewing import Reviewing

MERGEABLE_PAUSES = (0.5, 1.0, 1.5, 2.0)  # seconds; mergeability is worked out in the background
MERGE_PAUSES = (1.0, 2.0)  # seconds between tries of a merge that GitHub can't judge yet
TITLE_LIMIT = 256
LABEL_COLOURS = {  # by a word in the label's name
    "working": "1d76db",
    "waiting": "fbca04",
    "done": "0e8a16",
    "escalated": "d93f0b",
}
LABEL_COLOUR = "6f42c1"
LABEL_DESCRIPTION = "Used by AURORA-DEV"


class GitHubForge(CheckRuns, Reviewing):
    """One repository, spoken to as one installation."""

    async def info(self) -> RepositoryInfo:
        """Return what GitHub knows of the repository."""
        return reading.repository_info(await self._get(""), self._shared.web_url)

    async def issue(self, number: int) -> Issue:
        """Return an issue; it may have been announced a moment ago."""
        data = await self._announced("/issues/{number}", number=number)
        return reading.issue(data, await self._shared.identity())

    async def labelling(self, number: int, label: str) -> Labelling | None:
        """Return the last time that a label was set on an issue; None where GitHub doesn't tell."""
        try:
            events = await self._list("/issues/{number}/events?per_page=100", number=number)
        except NotFound:
            return None  # the issue was moved, or this GitHub has no such list
        return reading.last_labelling(events, label)

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """Open an issue."""
        await self._ensure_labels(labels)
        content = {"title": title[:TITLE_LIMIT], "body": fit(body, COMMENT_LIMIT), "labels": list(labels)}
        return reading.issue(await self._post("/issues", content), await self._shared.identity())

    async def find_issue(self, marker: str, label: str, since: datetime) -> Issue | None:
        """Return the app's own issue whose text begins with `marker`, of those touched `since` then."""
        path = "/issues?state=all&sort=created&direction=desc&per_page=100{&labels,since}"
        found = await self._list(path, labels=label, since=since.isoformat(timespec="seconds").replace("+00:00", "Z"))
        app = await self._shared.identity()
        issues = (reading.issue(data, app) for data in found)
        return next((one for one in issues if one.by_this_app and one.body.startswith(marker)), None)

    async def comments(self, number: int) -> list[Comment]:
        """Return the comments on an issue or pull request, oldest first."""
        found = await self._patiently(lambda: self._list("/issues/{number}/comments?per_page=100", number=number))
        app = await self._shared.identity()
        return [reading.comment(data, app) for data in found]

    async def permission(self, login: str) -> Permission:
        """Return what `login` may do in the repository."""
        try:
            return reading.permission(await self._announced("/collaborators/{login}/permission", login=login))
        except NotFound:
            return Permission.none

    async def read_comment(self, comment_id: int) -> Comment:
        """Return a comment as it is now; raises `NotFound` once it is deleted."""
        data = await self._announced("/issues/comments/{id}", id=comment_id)
        return reading.comment(data, await self._shared.identity())

    async def comment(self, number: int, body: str) -> int:
        """Comment on an issue or pull request and return the comment's id."""
        content = {"body": fit(body, COMMENT_LIMIT)}
        made = await self._patiently(lambda: self._post("/issues/{number}/comments", content, number=number))
        return int(made["id"])

    async def find_comment(self, number: int, marker: str) -> int | None:
        """Return the id of the first comment of this app with `marker` in it, None when there is none."""

        for pause in (*STALE_PAUSES, None):
            every = await self.comments(number)
            found = next((one.id for one in every if one.by_this_app and marker in one.body), None)
            # The issue itself knows how many comments it has, so that only a stale list has to be waited for.
            if (
                found is not None
                or len(every) >= (await self._announced("/issues/{number}", number=number))["comments"]
            ):
                return found
            if pause:
                await self._shared.sleep(pause)
        raise Transient("GitHub doesn't show all comments of the issue yet.")

    async def edit_comment(self, comment_id: int, body: str) -> None:
        """Replace a comment's text."""
        content = {"body": fit(body, COMMENT_LIMIT)}
        await self._patiently(lambda: self._patch("/issues/comments/{id}", content, id=comment_id))

    async def react(self, number: int, content: str, comment_id: int | None = None) -> None:
        """Add a reaction to an issue or to a comment on it; the same one again changes nothing."""
        where = "/issues/comments/{id}/reactions" if comment_id else "/issues/{id}/reactions"
        await self._patiently(lambda: self._post(where, {"content": content}, id=comment_id or number))

    async def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove labels; those that don't exist yet are made."""
        for name in remove:
            await self._remove_label(number, name)
        if add:
            await self._ensure_labels(add)
            content = {"labels": list(add)}
            await self._patiently(lambda: self._post("/issues/{number}/labels", content, number=number))

    async def close_issue(self, number: int) -> None:
        """Close an issue as completed."""
        content = {"state": "closed", "state_reason": "completed"}
        await self._patiently(lambda: self._patch("/issues/{number}", content, number=number))

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
            return reading.pull_request(await self._patiently(lambda: self._post("/pulls", content), _head_unknown))
        except ForgeError as error:
            if error.status != 422 or "already exists" not in str(error):
                raise
            existing = await self._sooner_or_later(lambda: self._open_one(head, base))
            if existing is None:
                raise Transient("GitHub has a pull request of this branch, and doesn't show it yet.") from error
            # Anybody may have opened it, and what it says closes issues when it is merged.
            await self.edit_pull_request(existing.number, title, body)
            return existing

    async def edit_pull_request(self, number: int, title: str, body: str) -> None:
        """Replace a pull request's title and text."""
        content = {"title": title[:TITLE_LIMIT], "body": fit(body, COMMENT_LIMIT)}
        await self._patiently(lambda: self._patch("/pulls/{number}", content, number=number))

    async def find_pull_request(self, head: str, base: str) -> PullRequest | None:
        """Return the pull request from a branch of this repository into `base`: the open one, whoever opened it.

        Of closed ones the newest of this app is returned: what others opened and closed is none of its business.
        One that was opened a moment ago may be missing; `open_pull_request` returns it all the same.
        """
        app = await self._shared.identity()
        query = "/pulls?state=all&sort=created&direction=desc&per_page=100{&head}"
        data = await self._list(query, head=f"{self._vars['owner']}:{head}")
        here = [one for one in data if one["head"]["ref"] == head and one["base"]["ref"] == base and not _of_fork(one)]
        here.sort(key=lambda one: one["state"] != "open")
        mine = (one for one in here if one["state"] == "open" or app.wrote(one))
        return next((reading.pull_request(one) for one in mine), None)

    async def _open_one(self, head: str, base: str) -> PullRequest | None:
        found = await self.find_pull_request(head, base)
        return found if found and found.state == "open" else None

    async def pull_request(self, number: int) -> PullRequest:
        """Return a pull request, waiting some seconds for its mergeability."""
        return reading.pull_request(await self._judged(number))

    async def _judged(self, number: int) -> dict[str, Any]:
        data: dict[str, Any] = await self._announced("/pulls/{number}", number=number)
        for pause in MERGEABLE_PAUSES:
            if data.get("mergeable") is not None or data["state"] != "open":
                break
            await self._shared.sleep(pause)
            data = await self._announced("/pulls/{number}", number=number)
        return data

    async def merge(self, number: int, head_sha: str, method: str, title: str) -> Merge:
        """Merge a pull request if its head is still `head_sha`.

        Raises `Transient` while GitHub can't say whether it can be merged.
        """
        content = {"sha": head_sha, "merge_method": method}
        if method != "rebase":  # the commits keep their own titles
            content["commit_title"] = title[:TITLE_LIMIT]
        for pause in (*MERGE_PAUSES, 0.0):
            try:
                data = await self._patiently(lambda: self._put("/pulls/{number}/merge", content, number=number))
                return Merge(MergeOutcome.merged, sha=data["sha"])
            except ForgeError as error:
                answer = await self._not_merged(error, number, head_sha)
            if answer is not None:
                return answer
            await self._shared.sleep(pause)
        raise Transient("GitHub can't say yet whether the pull request can be merged.")

    async def delete_branch(self, name: str) -> None:
        """Delete a branch, if it is there."""
        try:
            await self._patiently(lambda: self._delete("/git/refs/heads{/name*}", name=name.split("/")))
        except ForgeError as error:
            if error.status not in {404, 422}:  # 422: "Reference does not exist"
                raise

    async def token(self) -> str:
        """Return a token for git over HTTP, valid for some minutes at least."""
        return await self._credentials.token()

    async def _not_merged(self, error: ForgeError, number: int, head_sha: str) -> Merge | None:
        """Return what the refusal of a merge means; None while GitHub hasn't caught up with what happened."""
        if error.status not in {403, 405, 409, 422}:
            raise error
        reason = str(error).partition(": ")[2]  # GitHub's own words
        if "base branch was modified" in reason.lower():
            return Merge(MergeOutcome.base_moved, reason=reason)
        data = await self._judged(number)
        pull = reading.pull_request(data)
        if pull.merged and pull.head_sha == head_sha:  # an earlier answer was lost
            return Merge(MergeOutcome.merged, sha=pull.merge_commit_sha)
        if error.status == 409:
            pushed = await self._branch_is_at(data["head"]["ref"], head_sha)  # and the pull request doesn't show it yet
            return None if pushed else Merge(MergeOutcome.head_moved, reason=reason)
        unsure = "not mergeable" in reason.lower() and pull.state == "open" and pull.mergeable is not False
        return None if unsure else Merge(MergeOutcome.refused, reason=reason)

    async def _branch_is_at(self, name: str, sha: str) -> bool:
        try:
            ref = await self._get("/git/ref/heads{/name*}", name=name.split("/"))
        except NotFound:
            return False
        return bool(ref["object"]["sha"] == sha)

    async def _remove_label(self, number: int, name: str) -> None:
        for pause in (*ANNOUNCED_PAUSES, 0.0):
            try:
                return await self._delete("/issues/{number}/labels/{name}", number=number, name=name)
            except NotFound:
                if name not in (await self.issue(number)).labels:
                    return None
            await self._shared.sleep(pause)
        raise Transient(f"GitHub shows the label {name} and can't find it.")

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


def _head_unknown(error: ForgeError) -> bool:
    """Tell whether a branch that was pushed just now isn't known everywhere yet."""
    return missing(error) or (error.status == 422 and "for 'head'" in str(error))


def _of_fork(pull: Mapping[str, Any]) -> bool:
    ids = [(pull[side].get("repo") or {}).get("id") for side in ("head", "base")]
    return bool(ids[0] != ids[1])
