"""A project: one labelled issue, one run of it, and everything that is known about how far it got."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.domain.budget import Refusal
from app.domain.repository_settings import RepositorySettings
from app.domain.requirements import Requirement
from app.domain.review import Review
from app.domain.ways import Ways


class ProjectStatus(StrEnum):
    """What people see of a project."""

    parsing = "parsing"  # the issue is being read
    waiting = "waiting"  # a person must answer or approve
    planning = "planning"  # requirements are becoming tasks
    building = "building"  # agents are at work
    verifying = "verifying"  # the combination is being checked and reviewed
    open = "open"  # the pull request awaits a person
    merged = "merged"
    escalated = "escalated"  # it can't go on by itself; not an end
    paused = "paused"  # the budget or a person holds it
    cancelled = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether labelling the issue again starts a new run."""
        return self in {ProjectStatus.merged, ProjectStatus.escalated, ProjectStatus.cancelled}


class Phase(StrEnum):
    """The node at which Maestro's graph is entered next."""

    parse = "parse"
    plan = "plan"
    approve = "approve"
    dispatch = "dispatch"
    integrate = "integrate"
    verify = "verify"
    review = "review"
    deliver = "deliver"
    settle = "settle"
    escalate = "escalate"
    cancel = "cancel"
    done = "done"


EARLY = frozenset({Phase.parse, Phase.plan, Phase.approve})  # nothing has been made yet

STATUS_OF = {  # what a project is again when it goes on from a phase
    Phase.parse: ProjectStatus.parsing,
    Phase.plan: ProjectStatus.planning,
    Phase.approve: ProjectStatus.planning,
    Phase.dispatch: ProjectStatus.building,
}


class Repository(BaseModel):
    """Where a repository is, and as which installation it is spoken to."""

    model_config = ConfigDict(frozen=True)

    full_name: str  # OWNER/NAME
    installation_id: int

    @property
    def owner(self) -> str:
        """The account that owns the repository."""
        return self.full_name.split("/", 1)[0]


class PullRequestRef(BaseModel):
    """The pull request of a project, as far as the tables know it."""

    model_config = ConfigDict(frozen=True)

    number: int
    url: str
    head_sha: str
    merged: bool = False


class Pause(BaseModel):
    """What holds a project whose status is `paused`."""

    model_config = ConfigDict(frozen=True)

    refusal: Refusal | None = None  # the call that would have passed a cap; None: a person said so
    by: str | None = None  # login of that person

    @property
    def ends_with_the_day(self) -> bool:
        """Whether it goes on by itself."""
        return self.refusal is not None and self.refusal.ends_with_the_day


class Project(BaseModel):
    """One row of `projects`."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    repository: Repository
    issue_number: int
    run: int
    title: str
    request: str = ""  # the issue's text, and what people with write permission said below it
    requested_by: str  # login of the person who labelled the issue
    status: ProjectStatus
    phase: Phase
    base_branch: str | None = None
    base_sha: str | None = None
    head_sha: str | None = None  # of the integration branch
    requirements: tuple[Requirement, ...] = ()
    settings: RepositorySettings = RepositorySettings()
    ways: Ways = Ways()
    pull_request: PullRequestRef | None = None
    reason: str | None = None  # why it waits, escalated or was cancelled; Markdown
    review: Review | None = None  # of the present head
    notes: tuple[str, ...] = ()  # what a reviewer should know, gathered on the way; Markdown
    rounds: int = 0  # how often the combination sent work back
    onto: str | None = None  # the commit that tasks' work is merged onto, once it isn't the base; contains earlier work
    plans: int = 0  # how many plans were made
    plan_comment: int | None = None  # the comment that shows the present plan and asks for approval
    approved: int | None = None  # the number of the plan that somebody approved
    retries: int = 0  # how often people had it try again
    guidance: tuple[str, ...] = ()  # what people said about the plan, or about trying again; oldest first
    merge_asked: str | None = None  # the head that somebody with write permission wants merged, whatever the policy
    follows: tuple[str, ...] = ()  # a head, then those that it adds nothing to but the base, merged by itself
    queued_at: datetime | None = None  # since when it waits for, or has, its turn to be merged
    turn_at: datetime | None = None  # since when it has its turn
    base_moves: int = 0  # how often the base has moved while it had its turn
    check_fixes: int = 0  # how often other apps' failing checks were worked on
    reverts: UUID | None = None  # the project whose merged work this one takes back
    muted: bool = False  # the app may not speak there any more
    shown_at: datetime | None = None  # when the progress comment was last written
    shown: str | None = None  # digest of what it says
    budget_usd: float
    budget_set: bool = False  # by a person: then the repository's settings don't lower it
    spent_usd: float = 0.0
    held: bool = False  # somebody said pause, and no call is begun; Maestro may not have heard of it yet
    pause: Pause | None = None
    pauses: int = 0  # how often it was paused
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def start(self) -> str:
        """The commit onto which the tasks' work is merged."""
        return self.onto or self.base_sha or ""

    @property
    def stands_for(self) -> frozenset[str]:
        """The heads whose approval is one of the present head."""
        same = self.follows if self.head_sha in self.follows[:1] else ()
        return frozenset({self.head_sha or "", *same})

    @property
    def may_queue(self) -> bool:
        """Whether it may be in the line of what is to be merged: it is whole, or checked on top of the base."""
        whole = self.phase in {Phase.verify, Phase.review, Phase.deliver}
        return whole and self.status in {ProjectStatus.verifying, ProjectStatus.open}

    @property
    def branch(self) -> str:
        """The integration branch, which becomes the head of the pull request."""
        return f"aurora/{self.issue_number}.{self.run}"

    @property
    def next_branch(self) -> str:
        """The branch of a head that is being verified and isn't the pull request's yet."""
        return f"{self.branch}-next"
