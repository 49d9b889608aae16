-- Deliveries: what GitHub told us, once per GUID.

-- name: store
-- Keep deliveries, all in one commit; a GUID seen before changes nothing. Returns the new ones.
INSERT INTO deliveries (guid, event, action, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT DO NOTHING RETURNING guid

-- name: peek
-- A delivery that is to be handled.
SELECT event, payload, received_at, failures FROM deliveries
WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL

-- name: take
-- Lock a delivery that is to be handled for the transaction at hand.
SELECT true FROM deliveries WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL FOR UPDATE SKIP LOCKED

-- name: handled
-- Note that a delivery has had its effect.
UPDATE deliveries SET handled_at = now(), error = NULL WHERE guid = $1

-- name: put_off
-- Look at a delivery again after some seconds, and say why.
UPDATE deliveries SET due_at = now() + $2 * interval '1 second', failures = failures + $3, error = $4
WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL

-- name: park
-- Keep a delivery without trying it again, and say why.
UPDATE deliveries SET parked_at = now(), failures = failures + 1, error = $2
WHERE guid = $1 AND handled_at IS NULL AND parked_at IS NULL

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
