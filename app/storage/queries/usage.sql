-- Money and tokens: reserve before a call, settle after it.

-- name: reserve
-- Set aside the worst case, if it fits under the project's cap.
UPDATE projects SET reserved_usd = reserved_usd + $2::float8::numeric
WHERE id = $1 AND spent_usd + reserved_usd + $2::float8::numeric <= budget_usd
RETURNING true

-- name: open
-- Note the call that the reservation is for.
INSERT INTO token_usage (id, project_id, task_id, role, step, attempt, scope, position, model, status, reserved_usd, epoch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'reserved', $10::float8::numeric, $11)

-- name: settle
-- Replace the worst case of a call by what it cost.
WITH call AS (
    UPDATE token_usage
    SET status = 'settled', usd = $2::float8::numeric, input_tokens = $3, output_tokens = $4, seconds = $5, settled_at = now()
    WHERE id = $1 AND status = 'reserved'
    RETURNING project_id, reserved_usd, usd, scope, position
), money AS (
    UPDATE projects SET reserved_usd = projects.reserved_usd - call.reserved_usd, spent_usd = spent_usd + call.usd
    FROM call WHERE projects.id = call.project_id
)
SELECT project_id, scope, position FROM call

-- name: forfeit
-- Close a call without an answer: spent ($2) or given back.
WITH call AS (
    UPDATE token_usage
    SET status = CASE WHEN $2 THEN 'forfeited' ELSE 'returned' END,
        usd = CASE WHEN $2 THEN reserved_usd ELSE 0 END, settled_at = now()
    WHERE id = $1 AND status = 'reserved'
    RETURNING project_id, reserved_usd, usd
)
UPDATE projects SET reserved_usd = projects.reserved_usd - call.reserved_usd, spent_usd = spent_usd + call.usd
FROM call WHERE projects.id = call.project_id

-- name: forfeit_abandoned
-- Count as spent what earlier holders of the subject ($1) had in flight when they died.
WITH calls AS (
    UPDATE token_usage SET status = 'forfeited', usd = reserved_usd, settled_at = now()
    WHERE status = 'reserved' AND epoch < $2 AND COALESCE(task_id, project_id) = $1
    RETURNING project_id, reserved_usd
), sums AS (
    SELECT project_id, sum(reserved_usd) AS usd FROM calls GROUP BY project_id
)
UPDATE projects SET reserved_usd = projects.reserved_usd - sums.usd, spent_usd = spent_usd + sums.usd
FROM sums WHERE projects.id = sums.project_id

-- name: of_project
-- Every call of a project, for its account and its critical path.
SELECT task_id, step, model, status, usd::float8 AS usd, input_tokens, output_tokens, seconds
FROM token_usage WHERE project_id = $1 ORDER BY created_at
