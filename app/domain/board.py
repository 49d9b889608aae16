"""The board: everything that people and programs may see of projects, as it is served."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.artifacts import ArtifactKind
from app.domain.checks import Checkpoint, Conclusion, Finding
from app.domain.messages import MessageType
from app.domain.project import Phase, ProjectStatus, PullRequestRef
from app.domain.recovery import ErrorType
from app.domain.requirements import Requirement
from app.domain.review import Review
from app.domain.roles import AgentRole
from app.domain.task import TaskResult, TaskStatus


class View(BaseModel):
    """A value that is served as JSON; what a row has beyond it isn't shown."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class ProjectLine(View):
    """A project as a list shows it."""

    id: UUID
    repository: str
    """OWNER/NAME."""
    issue_number: int | None
    """Null until the issue that was asked for is open."""
    run: int | None
    title: str
    requested_by: str
    """The login of the person who asked; empty for whoever has the token."""
    status: ProjectStatus
    reason: str | None
    """Why it waits, escalated or was cancelled; Markdown."""
    pull_request: PullRequestRef | None
    budget_usd: float
    spent_usd: float
    reserved_usd: float
    """What calls that are under way may cost at most."""
    created_at: datetime
    finished_at: datetime | None
    task_statuses: tuple[TaskStatus, ...] = ()
    """The status of each task, in their order."""


class TaskView(View):
    """A task."""

    id: UUID
    key: str
    """Short, and stable within the project."""
    title: str
    description: str
    assigned_agent: AgentRole
    dependencies: tuple[UUID, ...]
    status: TaskStatus
    priority: int
    footprint: tuple[str, ...]
    requirements: tuple[str, ...]
    branch: str
    round: int
    """How often it was sent back."""
    feedback: tuple[str, ...]
    attempts: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    result: TaskResult | None


class AttemptView(View):
    """The model calls of one attempt at a task, or of one of Maestro's own steps, together."""

    task_id: UUID | None
    """Null: Maestro's own."""
    step: str | None
    """Maestro's step; null for a task."""
    round: int | None
    attempt: int
    started_at: datetime
    ended_at: datetime | None
    """When the last answer came; null while one is awaited."""
    calls: int
    model_seconds: float
    usd: float


class CheckView(View):
    """What a checkpoint said of a commit, or of an attempt that failed."""

    id: UUID
    task_id: UUID | None
    """Null: of all tasks combined."""
    round: int | None
    """Of the task, where an attempt failed; null where a commit was judged."""
    attempt: int
    commit_sha: str | None
    """Null: the attempt failed, and made no commit."""
    checkpoint: Checkpoint
    conclusion: Conclusion
    title: str
    summary: str
    findings: tuple[Finding, ...]
    log_tail: str
    """The last of the tools' output; all of it is at `/projects/{id}/checks/{check}/log`."""
    log_length: int
    """In characters."""
    started_at: datetime
    completed_at: datetime


class CallView(View):
    """A model call."""

    id: UUID
    task_id: UUID | None
    role: AgentRole
    step: str
    attempt: int
    model: str
    status: str
    """`reserved`, `settled`, `forfeited` (counts as spent) or `returned`."""
    reserved_usd: float
    usd: float
    input_tokens: int
    output_tokens: int
    seconds: float
    created_at: datetime
    settled_at: datetime | None


class MessageView(View):
    """A message between Maestro and the agents."""

    id: UUID
    sender: AgentRole
    recipient: AgentRole
    message_type: MessageType
    payload: dict[str, Any]
    timestamp: datetime
    correlation_id: UUID
    subject: UUID
    """The task or project that is moved by handling it."""
    handled_at: datetime | None


class ErrorView(View):
    """An error."""

    id: UUID
    task_id: UUID
    """The project's id where Maestro itself failed."""
    agent: AgentRole
    error_type: ErrorType
    message: str
    stack_trace: str | None
    timestamp: datetime
    retry_count: int
    max_retries: int


class EffectView(View):
    """Something that was written to GitHub, or is about to be."""

    key: str
    outcome: dict[str, Any] | None
    created_at: datetime
    done_at: datetime | None


class MemoryView(View):
    """Something that was kept for later attempts."""

    id: UUID
    kind: str
    content: str
    source: dict[str, Any]
    created_at: datetime


class UseView(View):
    """Something that an agent was told in a round of its task, or Maestro for a plan of the project."""

    memory_id: UUID
    task_id: UUID
    round: int
    agent: str
    cited: bool
    """Whether the agent named it as of help."""
    used_at: datetime
    kind: str | None
    """This and what follows is null when the memory isn't kept any more, or in another store."""
    content: str | None
    source: dict[str, Any] | None


class ArtifactView(View):
    """A log file, to be read at `/projects/{id}/artifacts/{artifact}`."""

    id: UUID
    kind: ArtifactKind
    title: str
    task_id: UUID | None
    size: int
    """In bytes."""
    created_at: datetime
    expires_at: datetime


class ArtifactList(View):
    """The log files of a project, the newest first."""

    artifacts: tuple[ArtifactView, ...]


class Totals(View):
    """How many there are, however many are shown."""

    checks: int
    calls: int
    messages: int
    errors: int
    effects: int
    memories: int
    uses: int


class Sums(View):
    """The account of the model calls."""

    calls: int
    tokens: int
    usd: float
    model_seconds: float
    critical_path_seconds: float
    """Of the longest chain of work: what the models alone would have taken at best."""


class ProjectView(ProjectLine):
    """A project with everything that is known of it; of long lists the newest entries."""

    phase: Phase | None
    branch: str | None
    base_branch: str | None
    base_sha: str | None
    head_sha: str | None
    requirements: tuple[Requirement, ...]
    review: Review | None
    notes: tuple[str, ...]
    rounds: int
    tasks: tuple[TaskView, ...]
    attempts: tuple[AttemptView, ...]
    checks: tuple[CheckView, ...]
    calls: tuple[CallView, ...]
    messages: tuple[MessageView, ...]
    errors: tuple[ErrorView, ...]
    effects: tuple[EffectView, ...]
    memories: tuple[MemoryView, ...]
    uses: tuple[UseView, ...]
    artifacts: tuple[ArtifactView, ...]
    totals: Totals
    sums: Sums
    last_event: int
    """The number of the newest event that is contained; `Last-Event-ID` for what follows."""


class ProjectPage(View):
    """A page of projects, the newest first."""

    projects: tuple[ProjectLine, ...]
    next: str | None
    """The address of the next page, which is in the `Link` header too."""


class Event(View):
    """Something that happened in a project; its number is the id of the server-sent event."""

    number: int
    kind: str
    """`project`, `task`, `message`, `check`, `failure`, `call`, `effect` or `memory`."""
    data: dict[str, Any]
    """What changed, as it was at the commit."""
    at: datetime


class ProjectRequest(BaseModel):
    """What `POST /projects` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)

    repository: str = Field(pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$", examples=["octocat/hello"])
    """OWNER/NAME, where the app is installed."""
    text: str = Field(min_length=1, max_length=60_000)
    """What is wanted: the issue's text."""
    title: str = Field(default="", max_length=256)
    """The issue's title; by default the text's first line."""
    requested_by: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9-]{0,38})?$")
    """The login of the person who is told and asked; by default nobody is mentioned."""

    @property
    def heading(self) -> str:
        """The issue's title."""
        return " ".join((self.title or self.text.lstrip("# ").splitlines()[0]).split())[:256]


class Accepted(View):
    """The answer to `POST /projects`: stored, and to be opened as an issue."""

    id: UUID
    url: str
    """Where the project is."""


class Problem(View):
    """What went wrong (RFC 9457), as `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str = ""
