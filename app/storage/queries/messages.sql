-- Messages: how work moves.

-- name: send
-- Write a message; the same message twice is one. It is due by the clock of the store, which all workers share.
INSERT INTO agent_messages (id, sender, recipient, message_type, payload, timestamp, correlation_id, subject, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9 * interval '1 second')
ON CONFLICT (id) DO NOTHING

-- name: send_later
-- Write a message that is due in $9 seconds, unless one about the same event waits.
INSERT INTO agent_messages (id, sender, recipient, message_type, payload, timestamp, correlation_id, subject, due_at)
SELECT $1, $2, $3, $4, $5::jsonb, $6, $7, $8::uuid, now() + $9 * interval '1 second'
WHERE NOT EXISTS (
    SELECT FROM agent_messages
    WHERE subject = $8 AND handled_at IS NULL AND due_at > now() AND payload ->> 'event' = $5::jsonb ->> 'event'
)
ON CONFLICT (id) DO NOTHING
RETURNING true

-- name: forget
-- Let a project's messages about an event ($2) go that aren't due yet.
UPDATE agent_messages SET handled_at = now()
WHERE subject = $1 AND handled_at IS NULL AND due_at > now() AND payload ->> 'event' = $2

-- name: pending
-- The messages about a subject that are due and not handled, oldest first.
SELECT * FROM agent_messages WHERE subject = $1 AND handled_at IS NULL AND due_at <= now() ORDER BY timestamp, id

-- name: handled
-- Note that these messages have had their effect.
UPDATE agent_messages SET handled_at = now() WHERE id = ANY ($1::uuid[]) AND handled_at IS NULL

-- name: obeyed
-- Note that what a message asks for is done, with the answer to it.
UPDATE agent_messages SET obeyed_at = now(), answer = $2 WHERE id = $1

-- name: answers
-- The answers to those of these messages that were obeyed.
SELECT id, answer FROM agent_messages WHERE id = ANY ($1::uuid[]) AND obeyed_at IS NOT NULL

-- name: postpone
-- Handle these messages later; $3: because handling them failed.
UPDATE agent_messages SET due_at = now() + $2 * interval '1 second', tries = tries + $3::boolean::int
WHERE id = ANY ($1::uuid[])

-- name: overdue
-- Messages that nobody is handling, with the number of the next ring; rings grow rarer up to one in 10 s.
UPDATE agent_messages SET rings = rings + 1, rung_at = now()
WHERE id IN (
    SELECT m.id FROM agent_messages m LEFT JOIN leases l ON l.subject = m.subject
    WHERE m.handled_at IS NULL
      AND greatest(m.due_at, m.rung_at + least(2 ^ least(m.rings, 9), 10) * interval '1 second') < now() - $1 * interval '1 second'
      AND COALESCE(l.expires_at, '-infinity') < now()
    ORDER BY m.due_at LIMIT 1000
    FOR UPDATE OF m SKIP LOCKED
)
RETURNING id, subject, message_type, rings

-- name: again
-- Messages that are due about subjects which a worker let go, with the number of the next ring.
UPDATE agent_messages SET rings = rings + 1, rung_at = now()
WHERE subject = ANY ($1::uuid[]) AND handled_at IS NULL AND due_at <= now()
RETURNING id, subject, message_type, rings

-- name: waiting
-- Subjects whose oldest message was to be handled long ago.
SELECT subject, extract(epoch FROM now() - min(timestamp))::float8 AS seconds, max(tries) AS tries, max(rings) AS rings
FROM agent_messages
WHERE handled_at IS NULL AND due_at < now() AND timestamp < now() - $1 * interval '1 second'
GROUP BY subject ORDER BY 2 DESC LIMIT 100

-- name: tries
-- How often handling the pending messages about a subject failed.
SELECT COALESCE(max(tries), 0) FROM agent_messages WHERE subject = $1 AND handled_at IS NULL

-- name: hold_back
-- Let the tasks ($1) that may begin wait for some seconds.
UPDATE agent_messages SET due_at = greatest(due_at, now() + $2 * interval '1 second')
WHERE subject = ANY ($1::uuid[]) AND message_type = 'TASK' AND handled_at IS NULL
