-- Standing: how the whole installation stands, for its metrics.

-- name: queue
-- What is due and handled by nobody, and for how many seconds the oldest of it.
SELECT CASE message_type WHEN 'TASK' THEN 'tasks' ELSE 'projects' END AS queue, count(*)::integer AS waiting,
       COALESCE(max(extract(epoch FROM now() - m.due_at)), 0)::float8 AS oldest
FROM agent_messages m LEFT JOIN leases l ON l.subject = m.subject
WHERE m.handled_at IS NULL AND m.due_at <= now() AND COALESCE(l.expires_at, '-infinity') < now()
GROUP BY 1

-- name: money
-- What is spent or reserved today.
SELECT COALESCE((SELECT spent_usd + reserved_usd FROM purses
                 WHERE key = 'day:' || (now() AT TIME ZONE 'UTC')::date), 0)::float8

-- name: size
-- The size of the database, in bytes.
SELECT pg_database_size(current_database())

-- name: projects
-- How many projects there are of each status.
SELECT status, count(*)::integer AS number FROM projects GROUP BY status
