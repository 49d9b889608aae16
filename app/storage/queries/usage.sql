-- Money and tokens: reserve before a call, settle after it.
--
-- Rows are locked in one order by everybody: the lease, the project, then purses from the narrowest to the widest,
-- which is the descending order of their keys (task, repository, day). So no two calls wait for each other.

-- name: reserve_project
-- Set aside the worst case, if it fits under the project's cap and nobody holds the project.
UPDATE projects SET reserved_usd = reserved_usd + $2
WHERE id = $1 AND spent_usd + reserved_usd + $2 <= budget_usd AND NOT held AND status <> 'paused'
RETURNING repository, (now() AT TIME ZONE 'UTC')::date::text AS day

-- name: reserve_purses
-- Set aside the worst case ($3) in every purse ($1, with caps $2); returns the keys of those that it fits into.
INSERT INTO purses AS purse (key, cap_usd, reserved_usd)
SELECT wanted.key, wanted.cap, $3::numeric FROM unnest($1::text[], $2::numeric[]) AS wanted (key, cap)
WHERE wanted.cap IS NULL OR $3 <= wanted.cap
ORDER BY wanted.key COLLATE "C" DESC
ON CONFLICT (key) DO UPDATE SET reserved_usd = purse.reserved_usd + excluded.reserved_usd, cap_usd = excluded.cap_usd
WHERE excluded.cap_usd IS NULL OR purse.spent_usd + purse.reserved_usd + excluded.reserved_usd <= excluded.cap_usd
RETURNING key

-- name: open
-- Note the call that the reservation is for.
INSERT INTO token_usage (id, project_id, task_id, role, step, attempt, scope, position, model, status, reserved_usd,
                         epoch, purses)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'reserved', $10, $11, $12)

-- name: standing
-- What the project holds, and since when the day is counted.
SELECT repository, budget_usd, spent_usd, reserved_usd, held OR status = 'paused' AS held,
       (now() AT TIME ZONE 'UTC')::date::text AS day
FROM projects WHERE id = $1

-- name: purses
-- What is spent and reserved in these purses.
SELECT key, spent_usd, reserved_usd FROM purses WHERE key = ANY ($1::text[])

-- name: settle
-- Replace the worst case of a call by what it cost.
WITH call AS (
    UPDATE token_usage
    SET status = 'settled', usd = $2, input_tokens = $3, output_tokens = $4, seconds = $5, settled_at = now()
    WHERE id = $1 AND status = 'reserved'
    RETURNING project_id, reserved_usd, usd, scope, position, purses
), money AS (
    UPDATE projects SET reserved_usd = projects.reserved_usd - call.reserved_usd, spent_usd = spent_usd + call.usd
    FROM call WHERE projects.id = call.project_id
    RETURNING budget_usd, spent_usd
)
SELECT call.*, money.budget_usd, money.spent_usd FROM call, money

-- name: forfeit
-- Close a call without an answer: spent ($2) or given back.
WITH call AS (
    UPDATE token_usage
    SET status = CASE WHEN $2 THEN 'forfeited' ELSE 'returned' END,
        usd = CASE WHEN $2 THEN reserved_usd ELSE 0 END, settled_at = now()
    WHERE id = $1 AND status = 'reserved'
    RETURNING project_id, reserved_usd, usd, purses
), money AS (
    UPDATE projects SET reserved_usd = projects.reserved_usd - call.reserved_usd, spent_usd = spent_usd + call.usd
    FROM call WHERE projects.id = call.project_id
)
SELECT key, call.reserved_usd, call.usd FROM call, unnest(call.purses) AS key

-- name: abandon
-- Count as spent what holders of the subjects ($1) up to an epoch ($2) had in flight; returns it by purse.
WITH calls AS (
    UPDATE token_usage SET status = 'forfeited', usd = reserved_usd, settled_at = now()
    WHERE status = 'reserved' AND COALESCE(task_id, project_id) = ANY ($1::uuid[]) AND ($2::bigint IS NULL OR epoch < $2)
    RETURNING project_id, reserved_usd, purses
), sums AS (
    SELECT project_id, sum(reserved_usd) AS usd FROM calls GROUP BY project_id
), money AS (
    UPDATE projects SET reserved_usd = projects.reserved_usd - sums.usd, spent_usd = spent_usd + sums.usd
    FROM sums WHERE projects.id = sums.project_id
)
SELECT key, sum(reserved_usd) AS reserved_usd, sum(reserved_usd) AS usd
FROM calls, unnest(purses) AS key GROUP BY key

-- name: release
-- Take what was reserved ($2) out of the purses ($1), and count what was spent ($3).
WITH moved AS (
    SELECT * FROM unnest($1::text[], $2::numeric[], $3::numeric[]) AS moved (key, reserved, spent)
), locked AS MATERIALIZED (
    SELECT purses.key FROM purses WHERE key = ANY ($1::text[]) ORDER BY key DESC FOR NO KEY UPDATE
)
UPDATE purses SET reserved_usd = purses.reserved_usd - moved.reserved, spent_usd = purses.spent_usd + moved.spent
FROM locked JOIN moved USING (key) WHERE purses.key = locked.key

-- name: usual
-- What the last tasks of the project's repository that were completed have cost each.
SELECT count(*) AS tasks, COALESCE(avg(one.usd), 0)::float8 AS usd FROM (
    SELECT sum(u.usd) AS usd
    FROM tasks t
    JOIN projects p ON p.id = t.project_id
    JOIN token_usage u ON u.project_id = p.id AND u.task_id = t.id
    WHERE p.repository = (SELECT repository FROM projects WHERE id = $1) AND p.id <> $1 AND t.status = 'completed'
    GROUP BY t.id, t.completed_at ORDER BY t.completed_at DESC LIMIT 50
) AS one

-- name: of_project
-- Every call of a project, for its account and its critical path.
SELECT task_id, step, model, status, usd::float8 AS usd, input_tokens, output_tokens, seconds
FROM token_usage WHERE project_id = $1 ORDER BY created_at
