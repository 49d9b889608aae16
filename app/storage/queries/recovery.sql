-- Recovery: how far GitHub has been looked at, and the deliveries that it could not bring.

-- name: mark
-- How far a look has come.
SELECT at FROM marks WHERE name = $1

-- name: set_mark
-- Note how far a look has come.
INSERT INTO marks (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at

-- name: open_door
-- A server has started: look at once, and ask for everything again.
WITH soon AS (DELETE FROM marks WHERE name = 'looked'), due AS (UPDATE missed_deliveries SET due_at = now())
INSERT INTO marks (name, at) VALUES ('opened', $1) ON CONFLICT (name) DO UPDATE SET at = excluded.at

-- name: missed
-- Remember deliveries that GitHub could not bring.
INSERT INTO missed_deliveries (guid, attempt, event, delivered_at, refused)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::boolean[])
ON CONFLICT (guid) DO UPDATE SET attempt = greatest(missed_deliveries.attempt, excluded.attempt),
                                 refused = excluded.refused

-- name: arrived
-- Forget deliveries that have come, and those that GitHub has forgotten.
DELETE FROM missed_deliveries m
WHERE m.guid = ANY ($1::text[]) OR m.delivered_at < now() - $2 * interval '1 second'
   OR EXISTS (SELECT FROM deliveries d WHERE d.guid = m.guid)

-- name: due
-- The missed deliveries to ask for now, oldest first; what this side refused is asked for a few times only.
SELECT guid, attempt, event FROM missed_deliveries
WHERE due_at <= now() AND (NOT refused OR asked < $2) ORDER BY delivered_at LIMIT $1

-- name: asked
-- Note that a delivery was asked for; the next time is later each time.
UPDATE missed_deliveries
SET asked = asked + 1, due_at = now() + least(60 * 2 ^ least(asked, 10), 3600) * interval '1 second'
WHERE guid = $1
