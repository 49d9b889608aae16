"""The few fields of GitHub's webhook payloads that are read, and what they must look like."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.project import Repository
from app.github.identity import AppIdentity

T = TypeVar("T")


class OddPayload(Exception):
    """A part that its kind of delivery should have isn't there."""


class Part(BaseModel):
    """Reads strictly, and only what is declared."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(\[bot\])?$")]
FullName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")]
Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$")]
Id = Annotated[int, Field(gt=0, lt=2**63)]
Number = Annotated[int, Field(gt=0, lt=2**31)]


class UserPart(Part):
    """Who did something."""

    login: Login
    type: str = "User"


class AppPart(Part):
    """An app or an installation."""

    id: Id


class LabelPart(Part):
    """A label."""

    name: Annotated[str, StringConstraints(max_length=200)]


class IssuePart(Part):
    """An issue, or a pull request as an issue."""

    number: Number
    labels: list[LabelPart] = []
    pull_request: dict[str, Any] | None = None


class CommentPart(Part):
    """A comment on an issue or pull request."""

    id: Id
    body: str | None = None
    user: UserPart | None = None
    performed_via_github_app: AppPart | None = None

    def is_by(self, app: AppIdentity) -> bool:
        """Tell whether the app wrote it, under its own login or through a person's."""
        through = self.performed_via_github_app
        return (through is not None and through.id == app.id) or (
            self.user is not None and app.is_login(self.user.login)
        )


class ReviewPart(Part):
    """A review."""

    state: str
    commit_id: Sha | None = None
    user: UserPart | None = None


class PullRequestPart(Part):
    """A pull request."""

    number: Number
    merged: bool | None = None


class CheckPart(Part):
    """A check run or check suite."""

    head_sha: Sha
    id: Id | None = None
    name: Annotated[str, StringConstraints(max_length=400)] | None = None
    app: AppPart | None = None


class ActionPart(Part):
    """The button of a check run that was pressed."""

    identifier: Annotated[str, StringConstraints(max_length=20)]


class RepositoryPart(Part):
    """A repository."""

    full_name: FullName


class Payload(Part):
    """A delivery's payload, of any event."""

    action: str | None = None
    installation: AppPart | None = None
    repository: RepositoryPart | None = None
    sender: UserPart | None = None
    issue: IssuePart | None = None
    label: LabelPart | None = None
    comment: CommentPart | None = None
    review: ReviewPart | None = None
    pull_request: PullRequestPart | None = None
    check_run: CheckPart | None = None
    check_suite: CheckPart | None = None
    requested_action: ActionPart | None = None
    repositories_removed: list[RepositoryPart] = []
    sha: Sha | None = None  # of a commit status, whose payload is flat
    state: str | None = None

    def need(self, part: T | None) -> T:
        """Return a part; raise `OddPayload` when it is missing."""
        if part is None:
            raise OddPayload("a part is missing")
        return part

    def where(self) -> Repository:
        """Return the repository; raise `OddPayload` when it or the installation is missing."""
        return Repository(
            full_name=self.need(self.repository).full_name,
            installation_id=self.need(self.installation).id,
        )

    def sent_by(self, app: AppIdentity) -> bool:
        """Tell whether the app itself caused the event."""
        return self.sender is not None and app.is_login(self.sender.login)
