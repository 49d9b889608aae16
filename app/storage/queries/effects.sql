-- Effects: what others can see of us; the intent comes before the act.

-- name: find
-- An effect that was at least intended.
SELECT intent, outcome FROM effects WHERE project_id = $1 AND key = $2

-- name: intend
-- Say what is about to be done.
INSERT INTO effects (project_id, key, intent, epoch) VALUES ($1, $2, $3, $4)

-- name: done
-- Say what came of it.
UPDATE effects SET outcome = $3, done_at = now(), epoch = $4 WHERE project_id = $1 AND key = $2
