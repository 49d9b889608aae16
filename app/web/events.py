"""What a webhook delivery asks of the system: a pure reading of hostile payloads."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import ValidationError

from app.domain.commands import TICKED
from app.domain.project import Repository
from app.github.identity import AppIdentity
from app.web.payloads import OddPayload, Payload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Somebody labelled an issue, or opened one that bears the label."""

    repository: Repository
    issue_number: int
    sender: str
    sender_is_bot: bool


@dataclass(frozen=True)
class Stopped:
    """An issue went away or lost its label."""

    repository: Repository
    issue_number: int
    why: Literal["closed", "unlabeled", "deleted", "transferred"]


@dataclass(frozen=True)
class Edited:
    """Somebody changed the title or the text of an issue."""

    repository: Repository
    issue_number: int
    editor: str


@dataclass(frozen=True)
class Said:
    """Somebody else than the app commented on an issue or pull request, or edited such a comment."""

    repository: Repository
    number: int
    comment_id: int
    author: str
    body: str
    on_pull_request: bool
    editor: str | None = None  # who edited it


@dataclass(frozen=True)
class Ticked:
    """Somebody edited a comment of the app so that its box is ticked."""

    repository: Repository
    issue_number: int
    comment_id: int
    editor: str


@dataclass(frozen=True)
class Reviewed:
    """A review of a pull request was submitted or dismissed."""

    repository: Repository
    pull_number: int
    reviewer: str
    state: str  # approved, changes_requested, commented, dismissed
    head_sha: str  # what was reviewed


@dataclass(frozen=True)
class PullRequestChanged:
    """Somebody else than the app closed, reopened or pushed to a pull request."""

    repository: Repository
    number: int
    action: Literal["closed", "reopened", "synchronize"]
    merged: bool
    sender: str


@dataclass(frozen=True)
class Rerun:
    """Somebody asked for a check of this app again; no name means all of a commit's."""

    repository: Repository
    head_sha: str
    check_name: str | None
    sender: str


@dataclass(frozen=True)
class Pressed:
    """Somebody pressed a button of one of this app's check runs."""

    repository: Repository
    head_sha: str
    check_name: str
    run_id: int
    action: Literal["format", "retry"]
    sender: str


@dataclass(frozen=True)
class ChecksCompleted:
    """Another app's checks of a commit have ended, or one of its statuses has."""

    repository: Repository
    head_sha: str


@dataclass(frozen=True)
class InstallationChanged:
    """What the app may see has changed: of these repositories, or of all of the installation's when none are named."""

    installation_id: int
    how: Literal["uninstalled", "suspended", "restored"]
    repositories: tuple[str, ...] = ()


Intent = (
    Start
    | Stopped
    | Edited
    | Said
    | Ticked
    | Reviewed
    | PullRequestChanged
    | Rerun
    | Pressed
    | ChecksCompleted
    | InstallationChanged
)


@dataclass(frozen=True)
class Reading:
    """By what deliveries are read; a repository's own label name is known only later."""

    trigger_label: str = "aurora"
    repositories: tuple[str, ...] = ()  # OWNER/NAME or OWNER/*; empty: all


def intent(event: str, payload: Mapping[str, Any], app: AppIdentity, reading: Reading) -> Intent | None:
    """Return what a delivery asks for, None where that is nothing; never raises."""
    try:
        delivery = Payload.model_validate(payload)
        found = _intent(event, delivery, app, reading)
    except (ValidationError, OddPayload) as error:
        log.warning("delivery makes no sense", extra={"kind": event[:40], "why": _where(error)})
        return None
    repository = getattr(found, "repository", None)
    if repository is not None and not covers(reading.repositories, repository.full_name):
        log.info("repository isn't on the list", extra={"repository": repository.full_name})
        return None
    return found


def _intent(event: str, delivery: Payload, app: AppIdentity, reading: Reading) -> Intent | None:
    found: Intent | None = None
    match event, delivery.action:
        case "issues", "labeled" | "opened":
            found = _start(delivery, reading)
        case "issues", "closed" | "unlabeled" | "deleted" | "transferred":
            found = _stopped(delivery, app, reading)
        case "issues", "edited":
            found = _edited(delivery, app)
        case "issue_comment", "created" | "edited":
            found = _said(delivery, app)
        case "pull_request_review", "submitted" | "dismissed":
            found = _reviewed(delivery, app)
        case "pull_request", "closed" | "reopened" | "synchronize":
            found = _pull_request_changed(delivery, app)
        case "check_run" | "check_suite", "rerequested":
            found = _rerun(event, delivery, app)
        case "check_run", "requested_action":
            found = _pressed(delivery, app)
        case "check_suite", "completed":
            found = _checks_completed(delivery, app)
        case "status", None if delivery.state != "pending":
            found = ChecksCompleted(delivery.where(), delivery.need(delivery.sha))
        case ("installation", "deleted" | "suspend" | "unsuspend") | ("installation_repositories", "removed"):
            found = _installation(event, delivery)
    return found


def _start(delivery: Payload, reading: Reading) -> Start | None:
    """Read a start; the app's own label counts too, since it opens issues for `POST /projects`."""
    issue = delivery.need(delivery.issue)
    labels = [delivery.need(delivery.label)] if delivery.action == "labeled" else issue.labels
    if issue.pull_request is not None or not any(_same(one.name, reading.trigger_label) for one in labels):
        return None
    sender = delivery.need(delivery.sender)
    return Start(delivery.where(), issue.number, sender.login, sender.type == "Bot")


def _stopped(delivery: Payload, app: AppIdentity, reading: Reading) -> Stopped | None:
    issue = delivery.need(delivery.issue)
    if issue.pull_request is not None or delivery.sent_by(app):
        return None
    match delivery.action:
        case "unlabeled" if not _same(delivery.need(delivery.label).name, reading.trigger_label):
            return None
        case "closed" | "unlabeled" | "deleted" | "transferred" as why:
            return Stopped(delivery.where(), issue.number, why)
    return None


def _edited(delivery: Payload, app: AppIdentity) -> Edited | None:
    issue = delivery.need(delivery.issue)
    if issue.pull_request is not None or delivery.sent_by(app):
        return None
    return Edited(delivery.where(), issue.number, delivery.need(delivery.sender).login)


def _said(delivery: Payload, app: AppIdentity) -> Said | Ticked | None:
    issue, comment = delivery.need(delivery.issue), delivery.need(delivery.comment)
    editor = delivery.need(delivery.sender).login if delivery.action == "edited" else None
    if comment.is_by(app):
        if editor is None or app.is_login(editor) or not TICKED.search(comment.body or ""):
            return None
        return Ticked(delivery.where(), issue.number, comment.id, editor)
    if comment.user is None:
        return None
    return Said(
        repository=delivery.where(),
        number=issue.number,
        comment_id=comment.id,
        author=comment.user.login,
        body=(comment.body or "").replace("\0", ""),
        on_pull_request=issue.pull_request is not None,
        editor=editor,
    )


def _reviewed(delivery: Payload, app: AppIdentity) -> Reviewed | None:
    review, pull = delivery.need(delivery.review), delivery.need(delivery.pull_request)
    if review.user is None or app.is_login(review.user.login):
        return None
    return Reviewed(delivery.where(), pull.number, review.user.login, review.state.lower(), review.commit_id or "")


def _pull_request_changed(delivery: Payload, app: AppIdentity) -> PullRequestChanged | None:
    pull = delivery.need(delivery.pull_request)
    if delivery.sent_by(app):
        return None
    match delivery.action:
        case "closed" | "reopened" | "synchronize" as action:
            sender = delivery.need(delivery.sender).login
            return PullRequestChanged(delivery.where(), pull.number, action, pull.merged is True, sender)
    return None


def _rerun(event: str, delivery: Payload, app: AppIdentity) -> Rerun | None:
    check = delivery.need(delivery.check_run if event == "check_run" else delivery.check_suite)
    if check.app is None or check.app.id != app.id:
        return None
    name = check.name if event == "check_run" else None
    return Rerun(delivery.where(), check.head_sha, name, delivery.need(delivery.sender).login)


def _pressed(delivery: Payload, app: AppIdentity) -> Pressed | None:
    check, action = delivery.need(delivery.check_run), delivery.need(delivery.requested_action)
    if check.app is None or check.app.id != app.id or check.id is None:
        return None
    match action.identifier:
        case "format" | "retry" as pressed:
            sender = delivery.need(delivery.sender).login
            return Pressed(delivery.where(), check.head_sha, check.name or "", check.id, pressed, sender)
    return None


def _checks_completed(delivery: Payload, app: AppIdentity) -> ChecksCompleted | None:
    suite = delivery.need(delivery.check_suite)
    own = suite.app is not None and suite.app.id == app.id
    return None if own else ChecksCompleted(delivery.where(), suite.head_sha)


HOW: Mapping[str, Literal["uninstalled", "suspended", "restored"]] = {
    "deleted": "uninstalled",
    "removed": "uninstalled",
    "suspend": "suspended",
    "unsuspend": "restored",
}


def _installation(event: str, delivery: Payload) -> InstallationChanged | None:
    number, how = delivery.need(delivery.installation).id, HOW[delivery.action or ""]
    if event == "installation":
        return InstallationChanged(number, how)
    names = tuple(one.full_name for one in delivery.repositories_removed)
    return InstallationChanged(number, how, names) if names else None


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def covers(patterns: tuple[str, ...], full_name: str) -> bool:
    """Tell whether a repository is on the operator's list; an empty one has them all."""
    return not patterns or any(fnmatchcase(full_name.casefold(), one.casefold()) for one in patterns)


def _where(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False)[:3])
    return str(error)
