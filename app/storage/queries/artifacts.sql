-- Artifacts: files of logs, and the workers that can be asked for them.

-- name: save
-- A file that was written; written again it is the newer one.
INSERT INTO artifacts (id, project_id, task_id, kind, title, store, location, size, digest, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE
SET store = excluded.store, location = excluded.location, size = excluded.size, digest = excluded.digest,
    title = excluded.title, created_at = excluded.created_at, expires_at = excluded.expires_at

-- name: get
-- One file of a project.
SELECT id, kind, title, task_id, store, location, size, digest, created_at, expires_at
FROM artifacts WHERE project_id = $1 AND id = $2

-- name: known
-- Which of these files of a data directory have a row.
SELECT id FROM artifacts WHERE id = ANY ($1::uuid[]) AND store = $2

-- name: here
-- A worker can be asked for the files of its data directory.
INSERT INTO artifact_hosts (worker, store, url) VALUES ($1, $2, $3)
ON CONFLICT (worker) DO UPDATE SET store = excluded.store, url = excluded.url, seen_at = now()

-- name: hosts
-- Where a data directory can be reached, who was heard of last first.
SELECT url FROM artifact_hosts WHERE store = $1 AND seen_at > now() - $2 * interval '1 second'
ORDER BY seen_at DESC LIMIT 3
