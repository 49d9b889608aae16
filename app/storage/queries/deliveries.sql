-- Deliveries: what GitHub told us, once per GUID.

-- name: store
-- Keep a delivery; a GUID seen before changes nothing.
INSERT INTO deliveries (guid, event, action, payload) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true

-- name: peek
-- A delivery that is to be handled.
SELECT event, payload, received_at FROM deliveries WHERE guid = $1 AND handled_at IS NULL

-- name: take
-- Lock a delivery that is to be handled for the transaction at hand.
SELECT true FROM deliveries WHERE guid = $1 AND handled_at IS NULL FOR UPDATE SKIP LOCKED

-- name: handled
-- Note that a delivery has had its effect.
UPDATE deliveries SET handled_at = now() WHERE guid = $1

-- name: overdue
-- Deliveries whose doorbell was not heard, with the number of the next ring.
UPDATE deliveries SET tries = tries + 1, due_at = now() + least(2 ^ tries, 300) * interval '1 second'
WHERE guid IN (
    SELECT guid FROM deliveries WHERE handled_at IS NULL AND due_at < now() - $1 * interval '1 second'
    ORDER BY received_at LIMIT 1000
)
RETURNING guid, tries

-- name: known
-- Which of these GUIDs are stored.
SELECT guid FROM deliveries WHERE guid = ANY ($1::text[])
