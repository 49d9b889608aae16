-- The journal: every model answer and tool result, before it is used.

-- name: read
-- What is recorded in a scope, in order.
SELECT kind, content, patch, created_at FROM journal WHERE subject = $1 AND scope = $2 ORDER BY position

-- name: append
-- Record one entry; a position is written once.
INSERT INTO journal (subject, scope, position, project_id, kind, content, patch, epoch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
