-- Requests: projects asked for by HTTP, until the webhook of their issue adopts them.

-- name: store
-- Keep what was asked for; a key seen before changes nothing.
INSERT INTO requests (id, idempotency_key, repository, title, text, requested_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (idempotency_key) DO NOTHING RETURNING id

-- name: of_key
-- What was asked for under a key.
SELECT id, repository, title, text, requested_by FROM requests WHERE idempotency_key = $1

-- name: due
-- Those whose issue is to be opened now.
SELECT id FROM requests WHERE issue_number IS NULL AND refused IS NULL AND due_at <= now() ORDER BY due_at LIMIT 20

-- name: get
-- One that still needs an issue.
SELECT repository, title, text, intended_at, tries,
       intended_at + $2 * interval '1 second' <= now() AS settled  -- what an earlier try left is visible by now
FROM requests WHERE id = $1 AND issue_number IS NULL AND refused IS NULL

-- name: intend
-- Say that an issue is about to be opened.
UPDATE requests SET intended_at = now() WHERE id = $1

-- name: opened
-- Say which issue it became.
UPDATE requests SET issue_number = $2 WHERE id = $1

-- name: refused
-- Say why it becomes none.
UPDATE requests SET refused = $2 WHERE id = $1

-- name: postpone
-- Try again later.
UPDATE requests SET due_at = now() + $2 * interval '1 second', tries = tries + 1 WHERE id = $1

-- name: claim
-- Lock a request, to make it the project of its issue.
SELECT issue_number, requested_by, EXISTS (SELECT FROM projects WHERE projects.id = requests.id) AS begun
FROM requests WHERE id = $1 AND lower(repository) = lower($2) FOR UPDATE

-- name: adopt
-- Make a request the project of an issue.
UPDATE requests SET issue_number = $2, adopted_at = now(), refused = NULL WHERE id = $1
