-- Retention: what has been kept for long enough ($1, in days) goes, $2 rows at a time, and rows that somebody has
-- locked wait for the next time. A project goes with all that hangs on it; nothing of one that is under way goes.

-- name: test_results
-- What checkpoints said.
DELETE FROM test_results WHERE ctid = ANY (ARRAY(
    SELECT r.ctid FROM test_results r JOIN projects p ON p.id = r.project_id
    WHERE r.completed_at < now() - $1 * interval '1 day'
      AND p.status IN ('merged', 'escalated', 'cancelled') AND p.finished_at IS NOT NULL
    LIMIT $2 FOR UPDATE OF r SKIP LOCKED
))

-- name: artifacts
-- Rows of files; the files follow.
DELETE FROM artifacts WHERE ctid = ANY (ARRAY(
    SELECT a.ctid FROM artifacts a JOIN projects p ON p.id = a.project_id
    WHERE a.kind = $3 AND a.created_at < now() - $1 * interval '1 day'
      AND p.status IN ('merged', 'escalated', 'cancelled') AND p.finished_at IS NOT NULL
    LIMIT $2 FOR UPDATE OF a SKIP LOCKED
))

-- name: journal
-- What models answered and tools said, for projects that nobody resumes any more.
DELETE FROM journal WHERE ctid = ANY (ARRAY(
    SELECT j.ctid FROM journal j JOIN projects p ON p.id = j.project_id
    WHERE p.finished_at < now() - $1 * interval '1 day' AND p.status IN ('merged', 'escalated', 'cancelled')
    LIMIT $2 FOR UPDATE OF j SKIP LOCKED
))

-- name: events
-- What was told to those who followed a project.
DELETE FROM events WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM events e JOIN projects p ON p.id = e.project_id
    WHERE p.finished_at < now() - $1 * interval '1 day' AND p.status IN ('merged', 'escalated', 'cancelled')
    LIMIT $2 FOR UPDATE OF e SKIP LOCKED
))

-- name: saved_state
-- The state of graphs whose project ended, or is gone; a whole thread at a time.
WITH kept AS MATERIALIZED (
    SELECT t.id::text AS task FROM tasks t JOIN projects p ON p.id = t.project_id
    WHERE p.finished_at IS NULL OR p.finished_at >= now() - $1 * interval '1 day'
       OR p.status NOT IN ('merged', 'escalated', 'cancelled')
), threads AS MATERIALIZED (
    SELECT DISTINCT thread_id FROM checkpoints
    WHERE split_part(thread_id, ':', 1) NOT IN (SELECT task FROM kept) LIMIT $2 / 20
), writes AS (
    DELETE FROM checkpoint_writes WHERE thread_id IN (SELECT thread_id FROM threads)
), blobs AS (
    DELETE FROM checkpoint_blobs WHERE thread_id IN (SELECT thread_id FROM threads)
), states AS (
    DELETE FROM checkpoints WHERE thread_id IN (SELECT thread_id FROM threads)
)
SELECT thread_id FROM threads

-- name: working_memory
-- What nobody wanted to keep for longer.
DELETE FROM working_memory WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM working_memory WHERE expires_at < now() - $1 * interval '1 day'
    LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: deliveries
-- Webhooks that had their effect, or were given up.
DELETE FROM deliveries WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM deliveries WHERE COALESCE(handled_at, parked_at) < now() - $1 * interval '1 day'
    LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: projects
-- The history of a project: tasks, messages, errors, calls, effects.
DELETE FROM projects WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM projects
    WHERE finished_at < now() - $1 * interval '1 day' AND status IN ('merged', 'escalated', 'cancelled')
    LIMIT $2 / 10 FOR UPDATE SKIP LOCKED
))

-- name: requests
-- Projects that were asked for by HTTP and are gone, or could never begin.
DELETE FROM requests WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM requests r
    WHERE created_at < now() - $1 * interval '1 day' AND (adopted_at IS NOT NULL OR refused IS NOT NULL)
      AND NOT EXISTS (SELECT FROM projects p WHERE p.id = r.id)
    LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: purses
-- Caps of tasks and days that are over.
DELETE FROM purses WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM purses
    WHERE created_at < now() - $1 * interval '1 day' AND reserved_usd = 0
      AND (key NOT LIKE 'task:%' OR NOT EXISTS (SELECT FROM tasks t WHERE t.id::text = substr(purses.key, 6)))
    LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: leases
-- Rights to move what isn't there any more.
DELETE FROM leases WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM leases l
    WHERE expires_at < now() AND moved_at < now() - $1 * interval '1 day'
      AND NOT EXISTS (SELECT FROM projects p WHERE p.id = l.subject)
      AND NOT EXISTS (SELECT FROM tasks t WHERE t.id = l.subject)
      AND NOT EXISTS (SELECT FROM requests r WHERE r.id = l.subject)
    LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: hosts
-- Workers that are gone.
DELETE FROM artifact_hosts WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM artifact_hosts WHERE seen_at < now() - $1 * interval '1 day' LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: saves_state
-- Whether LangGraph's tables are there.
SELECT to_regclass('checkpoints') IS NOT NULL
