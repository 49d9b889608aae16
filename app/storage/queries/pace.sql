-- Pace: how fast the processes of an installation ($1) may speak to GitHub, all together, by the clock of the store.

-- name: take
-- Hand out the next turn to write, in seconds from now, unless it is more than $2 seconds off.
-- At most $3 turns fall into $4 seconds, and $5 into $6. One row and one statement: nobody reads between the two.
WITH taken AS (
    INSERT INTO github_pace AS p (installation, turns) VALUES ($1, ARRAY[clock_timestamp()])
    ON CONFLICT (installation) DO UPDATE
    SET turns = p.turns[greatest(cardinality(p.turns) - $5::int + 2, 1):]
            || greatest(p.free_at, p.blocked_until, clock_timestamp()),
        free_at = greatest(
            p.free_at,
            p.blocked_until,
            p.turns[cardinality(p.turns) - $3::int + 2] + $4 * interval '1 second',
            p.turns[cardinality(p.turns) - $5::int + 2] + $6 * interval '1 second'
        )
    WHERE greatest(p.free_at, p.blocked_until) <= clock_timestamp() + $2 * interval '1 second'
    RETURNING turns[cardinality(turns)] AS at
)
SELECT true AS granted, extract(epoch FROM at - clock_timestamp())::float8 AS seconds FROM taken
UNION ALL
SELECT false, extract(epoch FROM greatest(free_at, blocked_until, clock_timestamp()) - clock_timestamp())::float8
FROM github_pace WHERE installation = $1 AND NOT EXISTS (SELECT FROM taken)

-- name: block
-- Note that GitHub wants to hear nothing for $2 seconds.
INSERT INTO github_pace AS p (installation, blocked_until)
VALUES ($1, clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (installation) DO UPDATE SET blocked_until = greatest(p.blocked_until, excluded.blocked_until)

-- name: blocked
-- For how many more seconds GitHub wants to hear nothing.
SELECT extract(epoch FROM blocked_until - clock_timestamp())::float8
FROM github_pace WHERE installation = $1 AND blocked_until > clock_timestamp()
