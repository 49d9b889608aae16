-- Turns: of the projects that are to be merged into one base, one after the other.

-- name: lock
-- Be the only one to change the line before a project's base, until the transaction at hand ends.
SELECT pg_advisory_xact_lock(hashtextextended(concat('aurora: turns ', repository, ' ', base_branch), 0))
FROM projects WHERE id = $1

-- name: queue
-- Put a project at the end of the line unless it is in it; who is first has the turn. Returns which pull request is
-- just before it.
WITH line AS MATERIALIZED (
    SELECT other.queued_at, (other.pull_request ->> 'number')::integer AS number
    FROM projects mine
    JOIN projects other ON other.repository = mine.repository AND other.base_branch = mine.base_branch AND other.id <> $1
    WHERE mine.id = $1 AND other.queued_at IS NOT NULL AND other.status IN ('open', 'verifying')
), place AS (
    SELECT COALESCE(queued_at, greatest($2, (SELECT max(queued_at) + interval '1 microsecond' FROM line))) AS since
    FROM projects WHERE id = $1
), turn AS (
    SELECT since, NOT EXISTS (SELECT FROM line WHERE queued_at < since) AS mine FROM place
), queued AS (
    UPDATE projects
    SET queued_at = since, turn_at = CASE WHEN mine THEN COALESCE(turn_at, $2) END
    FROM turn WHERE id = $1
)
SELECT number FROM line, turn WHERE queued_at < since ORDER BY queued_at DESC LIMIT 1

-- name: behind
-- The project that was just behind the one ($1) that left the line, where it had been since $2.
SELECT other.id, other.queued_at, clock_timestamp() AS now
FROM projects mine
JOIN projects other ON other.repository = mine.repository AND other.base_branch = mine.base_branch
WHERE mine.id = $1 AND other.queued_at > $2 AND other.status IN ('open', 'verifying')
ORDER BY other.queued_at LIMIT 1
