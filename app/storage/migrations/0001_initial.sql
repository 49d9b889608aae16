-- The tables of the specification, and those that make its promises keepable: leases, effects, journal.

CREATE TABLE projects (
    id uuid PRIMARY KEY,
    repository text NOT NULL,
    installation_id bigint NOT NULL,
    issue_number integer NOT NULL,
    run integer NOT NULL,
    title text NOT NULL,
    request text NOT NULL DEFAULT '',
    requested_by text NOT NULL,
    status text NOT NULL,
    phase text NOT NULL,
    base_branch text,
    base_sha text,
    head_sha text,
    requirements jsonb NOT NULL DEFAULT '[]',
    settings jsonb NOT NULL DEFAULT '{}',
    pull_request jsonb,
    reason text,
    review jsonb,
    notes jsonb NOT NULL DEFAULT '[]',
    rounds integer NOT NULL DEFAULT 0,
    budget_usd numeric(14, 8) NOT NULL,
    spent_usd numeric(14, 8) NOT NULL DEFAULT 0,
    reserved_usd numeric(14, 8) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,  -- when the delivery of the label was stored
    finished_at timestamptz,
    UNIQUE (repository, issue_number, run),
    CHECK (reserved_usd >= 0)
);

-- An issue has one run at a time, however often and in whatever order its label is announced.
CREATE UNIQUE INDEX projects_one_live_run ON projects (repository, issue_number)
    WHERE status NOT IN ('merged', 'escalated', 'cancelled');

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    key text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    assigned_agent text NOT NULL,
    dependencies uuid[] NOT NULL DEFAULT '{}',
    status text NOT NULL,
    priority integer NOT NULL DEFAULT 0,
    footprint text[] NOT NULL DEFAULT '{}',
    requirements text[] NOT NULL DEFAULT '{}',
    branch text NOT NULL,
    base_sha text,
    round integer NOT NULL DEFAULT 0,
    feedback jsonb NOT NULL DEFAULT '[]',
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    result jsonb,
    UNIQUE (project_id, key)
);

CREATE TABLE agent_messages (
    id uuid PRIMARY KEY,
    sender text NOT NULL,
    recipient text NOT NULL,
    message_type text NOT NULL,
    payload jsonb NOT NULL,
    timestamp timestamptz NOT NULL,
    correlation_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    subject uuid NOT NULL,  -- the task or project that is moved by handling it
    due_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,  -- how often handling it failed and was put off
    rings integer NOT NULL DEFAULT 0,  -- how often it was announced again
    rung_at timestamptz NOT NULL DEFAULT now(),
    handled_at timestamptz
);
CREATE INDEX agent_messages_due ON agent_messages (due_at) WHERE handled_at IS NULL;
CREATE INDEX agent_messages_conversation ON agent_messages (correlation_id, timestamp);

CREATE TABLE agent_errors (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    task_id uuid NOT NULL,  -- the project's id where Maestro itself failed
    agent text NOT NULL,
    error_type text NOT NULL,
    message text NOT NULL,
    stack_trace text,
    timestamp timestamptz NOT NULL,
    retry_count integer NOT NULL,
    max_retries integer NOT NULL
);
CREATE INDEX agent_errors_of_task ON agent_errors (task_id, timestamp);

CREATE TABLE test_results (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    task_id uuid,
    attempt integer NOT NULL,
    commit_sha text NOT NULL,
    checkpoint text NOT NULL,
    conclusion text NOT NULL,
    title text NOT NULL,
    summary text NOT NULL,
    findings jsonb NOT NULL,
    log text NOT NULL,
    started_at timestamptz NOT NULL,
    completed_at timestamptz NOT NULL,
    UNIQUE (project_id, commit_sha, checkpoint)
);

CREATE TABLE token_usage (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    task_id uuid,
    role text NOT NULL,
    step text NOT NULL,
    attempt integer NOT NULL,
    scope text NOT NULL,
    position integer NOT NULL,
    model text NOT NULL,
    status text NOT NULL,  -- reserved, settled, forfeited (counts as spent), returned
    reserved_usd numeric(14, 8) NOT NULL,
    usd numeric(14, 8) NOT NULL DEFAULT 0,
    input_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    seconds double precision NOT NULL DEFAULT 0,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
);
CREATE INDEX token_usage_of_project ON token_usage (project_id, created_at);
CREATE INDEX token_usage_open ON token_usage (project_id, task_id) WHERE status = 'reserved';

CREATE TABLE working_memory (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    repository text NOT NULL,
    kind text NOT NULL,  -- decision, pattern, reflexion, conflict
    content text NOT NULL,
    source jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX working_memory_of_repository ON working_memory (repository, created_at);

CREATE TABLE deliveries (
    guid text PRIMARY KEY,
    event text NOT NULL,
    action text,
    payload bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    handled_at timestamptz
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE handled_at IS NULL;

CREATE TABLE effects (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    key text NOT NULL,
    intent jsonb NOT NULL,
    outcome jsonb,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    PRIMARY KEY (project_id, key)
);

CREATE TABLE journal (
    subject uuid NOT NULL,  -- a task, or a project for Maestro's own calls
    scope text NOT NULL,
    position integer NOT NULL,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    kind text NOT NULL,
    content jsonb NOT NULL,
    patch bytea,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, scope, position)
);

CREATE TABLE leases (
    subject uuid PRIMARY KEY,
    owner text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE artifacts (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    task_id uuid,
    kind text NOT NULL,
    location text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
