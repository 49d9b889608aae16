-- Tasks: the units of work of a project.

-- name: of_project
-- The tasks of a project in the order of their keys, follow-ups last.
SELECT * FROM tasks WHERE project_id = $1 ORDER BY key NOT LIKE 't%', length(key), key

-- name: ids_of_project
-- The tasks of a project.
SELECT id FROM tasks WHERE project_id = $1

-- name: save
-- A task as it is now, new or not.
INSERT INTO tasks (id, project_id, key, title, description, assigned_agent, dependencies, status, priority, footprint,
                   requirements, branch, base_sha, round, feedback, attempts, created_at, started_at, completed_at, result,
                   concerns, superseded)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT (id) DO UPDATE
SET title = excluded.title, description = excluded.description, assigned_agent = excluded.assigned_agent,
    dependencies = excluded.dependencies, status = excluded.status, priority = excluded.priority,
    footprint = excluded.footprint, requirements = excluded.requirements, branch = excluded.branch, base_sha = excluded.base_sha,
    round = excluded.round, feedback = excluded.feedback, attempts = excluded.attempts,
    started_at = excluded.started_at, completed_at = excluded.completed_at, result = excluded.result,
    concerns = excluded.concerns, superseded = excluded.superseded

-- name: discard
-- Remove tasks of a plan that is no more, and let their messages go.
WITH gone AS (DELETE FROM tasks WHERE id = ANY ($1::uuid[]) AND started_at IS NULL RETURNING id)
UPDATE agent_messages SET handled_at = now() WHERE subject IN (SELECT id FROM gone) AND handled_at IS NULL
