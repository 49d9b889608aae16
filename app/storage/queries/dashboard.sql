-- The dashboard: what people and programs see of projects.

-- name: page
-- Projects and what was asked for and isn't open yet, the newest first, after a position ($1, $2). Each part is cut by
-- itself, so that an index gives it in order.
(
    SELECT id, repository, issue_number, run, title, requested_by, status, reason, pull_request,
           budget_usd::float8, spent_usd::float8, reserved_usd::float8, created_at, finished_at
    FROM projects
    WHERE (created_at, id) < (COALESCE($1::timestamptz, 'infinity'), COALESCE($2::uuid, id))
      AND ($3::text IS NULL OR lower(repository) = lower($3)) AND ($4::text[] IS NULL OR status = ANY ($4))
    ORDER BY created_at DESC, id DESC LIMIT $5
)
UNION ALL
(
    SELECT id, repository, issue_number, NULL, title, requested_by,
           CASE WHEN refused IS NULL THEN 'parsing' ELSE 'escalated' END, refused, NULL, 0, 0, 0, created_at, NULL
    FROM requests
    WHERE adopted_at IS NULL AND (created_at, id) < (COALESCE($1::timestamptz, 'infinity'), COALESCE($2::uuid, id))
      AND ($3::text IS NULL OR lower(repository) = lower($3))
      AND ($4::text[] IS NULL OR CASE WHEN refused IS NULL THEN 'parsing' ELSE 'escalated' END = ANY ($4))
    ORDER BY created_at DESC, id DESC LIMIT $5
)
ORDER BY created_at DESC, id DESC LIMIT $5

-- name: task_statuses
-- The tasks of several projects.
SELECT project_id, array_agg(status ORDER BY length(key), key) AS statuses
FROM tasks WHERE project_id = ANY ($1::uuid[]) GROUP BY project_id

-- name: counts
-- How many projects there are of each status.
SELECT status, sum(number)::integer AS number FROM (
    SELECT status, count(*) AS number FROM projects GROUP BY status
    UNION ALL
    SELECT CASE WHEN refused IS NULL THEN 'parsing' ELSE 'escalated' END, count(*)
    FROM requests WHERE adopted_at IS NULL GROUP BY refused IS NULL
) AS every GROUP BY status

-- name: project
-- Everything about a project but what hangs on it.
SELECT *, budget_usd::float8 AS budget_usd, spent_usd::float8 AS spent_usd, reserved_usd::float8 AS reserved_usd,
       'aurora/' || issue_number || '.' || run AS branch
FROM projects WHERE id = $1

-- name: request
-- What was asked for and has no issue yet, in the shape of a project.
SELECT id, repository, issue_number, NULL AS run, title, requested_by, refused AS reason, created_at,
       CASE WHEN refused IS NULL THEN 'parsing' ELSE 'escalated' END AS status
FROM requests WHERE id = $1 AND adopted_at IS NULL

-- name: attempts
-- Model calls by attempt; Maestro's own by step.
SELECT task_id, CASE WHEN task_id IS NULL THEN step END AS step, substring(scope FROM '^r(\d+)\.')::integer AS round,
       attempt, min(created_at) AS started_at,
       CASE WHEN NOT bool_or(status = 'reserved') THEN max(settled_at) END AS ended_at,
       count(*) AS calls, sum(seconds) AS model_seconds, sum(usd)::float8 AS usd
FROM token_usage WHERE project_id = $1 GROUP BY 1, 2, 3, 4 ORDER BY min(created_at)

-- name: spent_by_task
-- Each task's calls; those without a task are Maestro's.
SELECT task_id, count(*) AS calls, sum(input_tokens + output_tokens) AS tokens, sum(usd)::float8 AS usd,
       sum(seconds) AS seconds
FROM token_usage WHERE project_id = $1 GROUP BY task_id

-- name: checks
-- What the checkpoints said, the newest first.
SELECT id, task_id, round, attempt, commit_sha, checkpoint, conclusion, title, summary, findings,
       right(log, 4000) AS log_tail, length(log) AS log_length, started_at, completed_at
FROM test_results WHERE project_id = $1 ORDER BY completed_at DESC, id LIMIT $2

-- name: calls
-- The model calls, the newest first.
SELECT id, task_id, role, step, attempt, model, status, reserved_usd::float8, usd::float8, input_tokens, output_tokens,
       seconds, created_at, settled_at
FROM token_usage WHERE project_id = $1 ORDER BY created_at DESC, id LIMIT $2

-- name: messages
-- The conversation, the newest first.
SELECT * FROM agent_messages WHERE correlation_id = $1 ORDER BY timestamp DESC, id LIMIT $2

-- name: errors
-- What went wrong, the newest first.
SELECT * FROM agent_errors WHERE project_id = $1 ORDER BY timestamp DESC, id LIMIT $2

-- name: effects
-- What others can see, the newest first.
SELECT key, outcome, created_at, done_at FROM effects WHERE project_id = $1 ORDER BY created_at DESC, key LIMIT $2

-- name: memories
-- What was kept, the newest first.
SELECT id, kind, content, source, created_at FROM working_memory WHERE project_id = $1 ORDER BY created_at DESC, id LIMIT $2

-- name: uses
-- What agents were told, the newest first; what it said, as long as it is kept.
SELECT memory_id, task_id, round, agent, cited, used_at, kind, content, source
FROM memory_uses LEFT JOIN working_memory ON id = memory_id
WHERE memory_uses.project_id = $1 ORDER BY used_at DESC, memory_id LIMIT $2

-- name: artifacts
-- The log files, the newest first.
SELECT id, kind, title, task_id, size, created_at, expires_at FROM artifacts WHERE project_id = $1
ORDER BY created_at DESC, id LIMIT $2

-- name: totals
-- How many there are of what is shown in part.
SELECT (SELECT count(*) FROM test_results WHERE project_id = $1) AS checks,
       (SELECT count(*) FROM token_usage WHERE project_id = $1) AS calls,
       (SELECT count(*) FROM agent_messages WHERE correlation_id = $1) AS messages,
       (SELECT count(*) FROM agent_errors WHERE project_id = $1) AS errors,
       (SELECT count(*) FROM effects WHERE project_id = $1) AS effects,
       (SELECT count(*) FROM working_memory WHERE project_id = $1) AS memories,
       (SELECT count(*) FROM memory_uses WHERE project_id = $1) AS uses

-- name: log
-- The whole output of a checkpoint.
SELECT log FROM test_results WHERE project_id = $1 AND id = $2

-- name: last_event
-- The number of a project's newest event; null where there is no such project.
SELECT COALESCE((SELECT last FROM event_counters WHERE project_id = $1), 0)
WHERE EXISTS (SELECT FROM projects WHERE id = $1) OR EXISTS (SELECT FROM requests WHERE id = $1)

-- name: events
-- What happened after an event, in the order in which it was committed.
SELECT number, kind, data, at FROM events WHERE project_id = $1 AND number > $2 ORDER BY number LIMIT $3

-- name: changed
-- The numbers of the newest events of these projects.
SELECT project_id, last FROM event_counters WHERE project_id = ANY ($1::uuid[])

-- name: stand
-- A number that is another one when anything has changed in any project.
SELECT (SELECT COALESCE(sum(last), 0) FROM event_counters)::bigint AS events, (SELECT count(*) FROM projects) AS projects,
       (SELECT COALESCE(sum(1 + (refused IS NOT NULL)::integer), 0) FROM requests WHERE adopted_at IS NULL) AS requests
