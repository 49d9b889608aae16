"""Every metric that the `app` package measures, each declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

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
