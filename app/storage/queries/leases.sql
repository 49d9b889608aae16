-- Leases: the right of one worker to move a project or task.

-- name: acquire
-- Take a subject that nobody holds, or whose holder has stopped beating.
INSERT INTO leases (subject, owner, epoch, expires_at)
VALUES ($1, $2, 1, now() + $3 * interval '1 second')
ON CONFLICT (subject) DO UPDATE
SET owner = excluded.owner, epoch = leases.epoch + 1, expires_at = excluded.expires_at
WHERE leases.expires_at < now()
RETURNING epoch

-- name: beat
-- Say that the holder lives.
UPDATE leases SET expires_at = now() + $4 * interval '1 second'
WHERE subject = $1 AND owner = $2 AND epoch = $3
RETURNING true

-- name: hold
-- Lock the row for the transaction at hand, if the holder still is the holder.
SELECT true FROM leases WHERE subject = $1 AND owner = $2 AND epoch = $3 FOR NO KEY UPDATE

-- name: release
-- Give the subject back; the row stays, so that epochs never repeat.
UPDATE leases SET expires_at = '-infinity' WHERE subject = $1 AND owner = $2 AND epoch = $3

-- name: revoke
-- Take a subject away from whoever holds it, so that its writes are refused.
UPDATE leases SET epoch = epoch + 1, owner = '', expires_at = '-infinity' WHERE subject = ANY ($1::uuid[])
