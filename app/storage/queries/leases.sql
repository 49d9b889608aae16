-- Leases: the right of one worker to move a project or task.

-- name: acquire
-- Take a subject that nobody holds, or whose holder has stopped beating.
INSERT INTO leases (subject, owner, epoch, expires_at)
VALUES ($1, $2, 1, now() + $3 * interval '1 second')
ON CONFLICT (subject) DO UPDATE
SET owner = excluded.owner, epoch = leases.epoch + 1, expires_at = excluded.expires_at,
    taken_at = excluded.taken_at, moved_at = excluded.moved_at
WHERE leases.expires_at < now()
RETURNING subject, epoch

-- name: choosing
-- Be the only one to choose a task, until the transaction at hand ends.
SELECT pg_advisory_xact_lock(hashtextextended('aurora: choosing a task', 0))

-- name: waits
-- Whether there is a task to be chosen.
WITH running AS MATERIALIZED (
    SELECT p.repository, count(*) AS tasks
    FROM leases l JOIN tasks t ON t.id = l.subject JOIN projects p ON p.id = t.project_id
    WHERE l.expires_at > now() GROUP BY p.repository
)
SELECT EXISTS (
    SELECT FROM agent_messages m JOIN projects p ON p.id = m.correlation_id
    LEFT JOIN leases l ON l.subject = m.subject LEFT JOIN running r ON r.repository = p.repository
    WHERE m.handled_at IS NULL AND m.due_at <= now() AND m.message_type = 'TASK'
      AND COALESCE(l.expires_at, '-infinity') < now() AND ($1::bigint IS NULL OR COALESCE(r.tasks, 0) < $1)
)

-- name: choose
-- Take the task that is next: of the repository with the fewest at work, none beyond the limit ($3), by priority and age.
-- Rows that somebody keeps locked are passed over.
WITH running AS MATERIALIZED (
    SELECT p.repository, count(*) AS tasks
    FROM leases l JOIN tasks t ON t.id = l.subject JOIN projects p ON p.id = t.project_id
    WHERE l.expires_at > statement_timestamp() GROUP BY p.repository
), next AS MATERIALIZED (
    SELECT m.subject, row_number() OVER (ORDER BY COALESCE(r.tasks, 0), t.priority DESC, m.timestamp, m.id) AS place
    FROM agent_messages m JOIN tasks t ON t.id = m.subject JOIN projects p ON p.id = t.project_id
    LEFT JOIN leases l ON l.subject = m.subject LEFT JOIN running r ON r.repository = p.repository
    WHERE m.handled_at IS NULL AND m.due_at <= statement_timestamp() AND m.message_type = 'TASK'
      AND COALESCE(l.expires_at, '-infinity') < statement_timestamp()
      AND ($3::bigint IS NULL OR COALESCE(r.tasks, 0) < $3)
    ORDER BY place LIMIT 20
), locked AS MATERIALIZED (
    SELECT subject FROM leases WHERE subject IN (SELECT subject FROM next) FOR UPDATE SKIP LOCKED
)
INSERT INTO leases (subject, owner, epoch, expires_at)
SELECT subject, $1, 1, statement_timestamp() + $2 * interval '1 second' FROM next
WHERE subject IN (SELECT subject FROM locked) OR NOT EXISTS (SELECT FROM leases l WHERE l.subject = next.subject)
ORDER BY place LIMIT 1
ON CONFLICT (subject) DO UPDATE
SET owner = excluded.owner, epoch = leases.epoch + 1, expires_at = excluded.expires_at,
    taken_at = excluded.taken_at, moved_at = excluded.moved_at
WHERE leases.expires_at < statement_timestamp()
RETURNING subject, epoch

-- name: patience
-- Wait no longer than this for a row that somebody else has locked, in the transaction at hand.
SELECT set_config('lock_timeout', $1, true)

-- name: beat
-- Say that the holder lives; tell for how many seconds it has written nothing.
UPDATE leases SET expires_at = now() + $4 * interval '1 second'
WHERE subject = $1 AND owner = $2 AND epoch = $3
RETURNING extract(epoch FROM now() - moved_at)::float8

-- name: hold
-- Lock the row for the transaction at hand, if the holder still is the holder, and note that it moves on.
UPDATE leases SET moved_at = now() WHERE subject = $1 AND owner = $2 AND epoch = $3 RETURNING true

-- name: release
-- Give the subject back; the row stays, so that epochs never repeat.
UPDATE leases SET expires_at = '-infinity' WHERE subject = $1 AND owner = $2 AND epoch = $3
RETURNING true

-- name: revoke
-- Take a subject away from whoever holds it, so that its writes are refused.
UPDATE leases SET epoch = epoch + 1, owner = '', expires_at = '-infinity' WHERE subject = ANY ($1::uuid[])

-- name: free
-- End our own connections that stopped in the middle of a transaction: they keep rows locked that others wait for.
-- A frozen process leaves them idle, or active and reading, where no timeout of the server applies.
SELECT pid, pg_terminate_backend(pid) AS ended FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name = $2 AND pid <> pg_backend_pid()
  AND wait_event_type = 'Client' AND state <> 'idle' AND xact_start < now() - $1 * interval '1 second'

-- name: stuck
-- Subjects whose holder beats and has written nothing for so long, with the seconds.
SELECT subject, owner, extract(epoch FROM now() - moved_at)::float8 AS seconds FROM leases
WHERE expires_at > now() AND moved_at < now() - $1 * interval '1 second'
ORDER BY moved_at LIMIT 100
