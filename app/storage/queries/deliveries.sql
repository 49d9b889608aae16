-- Deliveries: what GitHub told us, once per GUID.

-- name: store
-- Keep deliveries, all in one commit; a GUID seen before changes nothing. Returns the new ones.
INSERT INTO deliveries (guid, event, action, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT DO NOTHING RETURNING guid

-- name: peek
-- A delivery that is to be handled.
SELECT event, payload, received_at, extract(epoch FROM now() - received_at)::float8 AS age FROM deliveries
WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL

-- name: take
-- Lock a delivery that is to be handled for the transaction at hand.
SELECT true FROM deliveries WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL FOR UPDATE SKIP LOCKED

-- name: handled
-- Note that a delivery has had its effect.
UPDATE deliveries SET handled_at = now(), error = NULL WHERE guid = $1

-- name: wait
-- Look at a delivery again later, because of something that passes: the longer it has waited the rarer, and after $4
-- seconds no more. Tells whether it was given up.
UPDATE deliveries
SET due_at = now() + greatest($2, least(extract(epoch FROM now() - received_at) / 4, 300)) * interval '1 second',
    error = $3,
    parked_at = CASE WHEN received_at < now() - $4 * interval '1 second' THEN now() END
WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL
RETURNING parked_at IS NOT NULL

-- name: failed
-- Look at a delivery again later, each time twice as much later, although it is unlikely to help; the $3rd time not
-- any more. Tells whether it was given up.
UPDATE deliveries
SET due_at = now() + least(5 * 2 ^ failures, 600) * interval '1 second',
    failures = failures + 1,
    error = $2,
    parked_at = CASE WHEN failures + 1 >= $3 THEN now() END
WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL
RETURNING parked_at IS NOT NULL

-- name: overdue
-- Deliveries whose doorbell was not heard, with the number of the next ring.
UPDATE deliveries SET tries = tries + 1, due_at = now() + least(2 ^ least(tries, 10), 300) * interval '1 second'
WHERE guid IN (
    SELECT guid FROM deliveries
    WHERE handled_at IS NULL AND parked_at IS NULL AND due_at < now() - $1 * interval '1 second'
    ORDER BY due_at LIMIT 1000
    FOR UPDATE SKIP LOCKED
)
RETURNING guid, tries

-- name: known
-- Which of these GUIDs are stored.
SELECT guid FROM deliveries WHERE guid = ANY ($1::text[])

-- name: parked
-- The deliveries that were given up, the newest first.
SELECT guid, event, error, parked_at FROM deliveries WHERE parked_at IS NOT NULL ORDER BY parked_at DESC LIMIT $1

-- name: standing
-- How many deliveries are parked, how many wait, and for how many seconds the oldest of these.
SELECT (SELECT count(*) FROM deliveries WHERE parked_at IS NOT NULL) AS parked,
       count(*) AS waiting,
       COALESCE(extract(epoch FROM now() - min(received_at)), 0)::float8 AS oldest
FROM deliveries WHERE handled_at IS NULL AND parked_at IS NULL
