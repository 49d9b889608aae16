"""Every metric that the `app` package measures, each declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from app.domain.memory import MemoryTier
from app.domain.recovery import ErrorType

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

WEBHOOK_SECONDS = Histogram(
    "aurora_webhook_seconds",
    "Time from a webhook's headers to its answer.",
    ["status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0),
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "aurora_deliveries_total",
    "Webhook deliveries by what became of them: new, repeated, refused, failed.",
    ["outcome"],
    registry=REGISTRY,
)
DOORBELL_FAILURES = Counter(
    "aurora_doorbell_failures_total",
    "Stored deliveries whose job could not be enqueued; the reconciler takes them.",
    registry=REGISTRY,
)
DELIVERIES_PARKED = Counter(
    "aurora_deliveries_parked_total",
    "Stored deliveries that were given up; `aurora doctor` lists them.",
    registry=REGISTRY,
)
DELIVERIES_STANDING = Gauge(
    "aurora_deliveries_standing",
    "Stored deliveries by where they stand: waiting, parked.",
    ["state"],
    registry=REGISTRY,
)
DELIVERIES_OLDEST = Gauge(
    "aurora_delivery_oldest_seconds",
    "How long the oldest delivery that is still to be handled has waited.",
    registry=REGISTRY,
)
DELIVERIES_REQUESTED_AGAIN = Counter(
    "aurora_deliveries_requested_again_total",
    "Missed deliveries that GitHub was asked to send again.",
    registry=REGISTRY,
)
GITHUB_SECONDS = Histogram(
    "aurora_github_request_seconds",
    "Time of one HTTP exchange with GitHub; status 0 is a failed connection.",
    ["method", "status"],
    registry=REGISTRY,
)
GITHUB_REMAINING = Gauge(
    "aurora_github_rate_remaining",
    "Requests that GitHub allows until the hour's reset, as last heard.",
    ["installation"],
    registry=REGISTRY,
)
GITHUB_WAITED = Counter(
    "aurora_github_wait_seconds_total",
    "Time that requests waited to keep to GitHub's limits, by what they were: read, write.",
    ["installation", "kind"],
    registry=REGISTRY,
)
GITHUB_LIMITED = Counter(
    "aurora_github_limited_total",
    "Answers by which GitHub asked to wait.",
    ["installation"],
    registry=REGISTRY,
)
GITHUB_BLOCKED_UNTIL = Gauge(
    "aurora_github_blocked_until_seconds",
    "When GitHub may be spoken to again, in seconds since the epoch, as last heard.",
    ["installation"],
    registry=REGISTRY,
)
STUCK_TASKS = Gauge(
    "aurora_stuck_tasks",
    "Projects and tasks that a worker holds without writing anything, or whose message waits for very long.",
    registry=REGISTRY,
)
MEMORY_HITS = Counter(
    "aurora_memory_hits_total",
    "Memories that an agent was told, by the tier that had them: short_term, working, long_term.",
    ["tier"],
    registry=REGISTRY,
)
MEMORY_MISSES = Counter(
    "aurora_memory_misses_total",
    "Questions to a tier of memory that had nothing of help.",
    ["tier"],
    registry=REGISTRY,
)
MEMORY_ERRORS = Counter(
    "aurora_memory_errors_total",
    "Failures of a tier of memory, after each of which it is left alone for a minute.",
    ["tier"],
    registry=REGISTRY,
)
MEMORY_SECONDS = Histogram(
    "aurora_memory_seconds",
    "Time of one operation on a tier of memory.",
    ["tier", "operation"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0),
    registry=REGISTRY,
)
MEMORY_UP = Gauge(
    "aurora_memory_up",
    "Whether a tier of memory answered when it was last asked.",
    ["tier"],
    registry=REGISTRY,
)
RETENTION_REMOVED = Counter(
    "aurora_retention_removed_total",
    "What was kept for long enough and removed, by kind: rows, files, and directories of workers.",
    ["kind"],
    registry=REGISTRY,
)
RETENTION_LAST = Gauge(
    "aurora_retention_last_seconds",
    "When what was kept for long enough was last removed, in seconds since the epoch; told by the server.",
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "aurora_task_seconds",
    "Time from a task's first start to its end, by how it ended: completed, failed.",
    ["agent", "status"],
    buckets=(5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400),
    registry=REGISTRY,
)
TASK_ATTEMPTS = Histogram(
    "aurora_task_attempts",
    "Attempts that a task took.",
    ["status"],
    buckets=(1, 2, 3, 4, 5, 7, 10),
    registry=REGISTRY,
)
ERRORS = Counter(
    "aurora_errors_total",
    "Errors that were stored, by type.",
    ["error_type"],
    registry=REGISTRY,
)
CHECKPOINT_SECONDS = Histogram(
    "aurora_checkpoint_seconds",
    "Time of one run of a checkpoint, by its conclusion; what was known from before isn't run.",
    ["checkpoint", "conclusion"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
    registry=REGISTRY,
)
SANDBOX_SECONDS = Histogram(
    "aurora_sandbox_start_seconds",
    "Time until a sandbox is set up and its command begins.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=REGISTRY,
)
MODEL_SECONDS = Histogram(
    "aurora_model_seconds",
    "Time of one model call that was answered.",
    ["model", "step"],
    buckets=(0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640),
    registry=REGISTRY,
)
MODEL_RETRIES = Counter(
    "aurora_model_retries_total",
    "Model calls that failed and were tried again within a job; what isn't tried again is a stored error.",
    ["model", "step"],
    registry=REGISTRY,
)
TOKENS = Counter(
    "aurora_tokens_total",
    "Tokens of answered model calls, by direction: input, output.",
    ["model", "direction"],
    registry=REGISTRY,
)
SPENT = Counter(
    "aurora_spent_usd_total",
    "US dollars that answered model calls cost.",
    ["model", "step"],
    registry=REGISTRY,
)
SPENT_TODAY = Gauge(
    "aurora_spent_today_usd",
    "US dollars spent or reserved by the whole installation today (UTC); told by the server.",
    registry=REGISTRY,
)
BUDGET_TODAY = Gauge(
    "aurora_budget_today_usd",
    "The cap of the whole installation for a day, infinite without one; told by the server.",
    registry=REGISTRY,
)
PROJECTS = Gauge(
    "aurora_projects",
    "Projects by status; told by the server.",
    ["status"],
    registry=REGISTRY,
)
QUEUE_WAITING = Gauge(
    "aurora_queue_waiting",
    "What is due and handled by nobody: deliveries, projects, tasks; told by the server.",
    ["queue"],
    registry=REGISTRY,
)
QUEUE_OLDEST = Gauge(
    "aurora_queue_oldest_seconds",
    "For how long the oldest of that has been due; told by the server.",
    ["queue"],
    registry=REGISTRY,
)
STORE_BYTES = Gauge(
    "aurora_store_bytes",
    "What a store holds: postgresql, its database; queue and short_term, their Redis; told by the server.",
    ["store"],
    registry=REGISTRY,
)
STORE_LIMIT = Gauge(
    "aurora_store_limit_bytes",
    "What a store is meant to hold at most.",
    ["store"],
    registry=REGISTRY,
)

# What nothing has happened to yet counts from zero, so that its first time is seen.
for _error_type in ErrorType:
    ERRORS.labels(_error_type)
for _tier in MemoryTier:
    for _counter in (MEMORY_HITS, MEMORY_MISSES, MEMORY_ERRORS):
        _counter.labels(_tier)
