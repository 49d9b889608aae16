-- Results: what the checkpoints said, what went wrong.

-- name: save_check
-- One checkpoint's word on one commit.
INSERT INTO test_results (id, project_id, task_id, attempt, commit_sha, checkpoint, conclusion, title, summary,
                          findings, log, started_at, completed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (project_id, commit_sha, checkpoint) DO UPDATE
SET conclusion = excluded.conclusion, title = excluded.title, summary = excluded.summary,
    findings = excluded.findings, log = excluded.log,
    started_at = excluded.started_at, completed_at = excluded.completed_at

-- name: save_attempt
-- One checkpoint's word on an attempt that failed and made no commit; once.
INSERT INTO test_results (id, project_id, task_id, attempt, round, checkpoint, conclusion, title, summary,
                          findings, log, started_at, completed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING

-- name: checks_of_commit
-- The checkpoints' words on a commit.
SELECT checkpoint, conclusion, title, summary, findings, log, started_at, completed_at
FROM test_results WHERE project_id = $1 AND commit_sha = $2

-- name: save_error
-- One error, once; the row's id where it is new.
INSERT INTO agent_errors (id, project_id, task_id, agent, error_type, message, stack_trace, timestamp, retry_count, max_retries)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING RETURNING id

-- name: last
-- What the checkpoints said of a commit, or where nothing is known of it, of the commit that was checked last.
SELECT * FROM test_results
WHERE project_id = $1 AND commit_sha = COALESCE(
    (SELECT commit_sha FROM test_results WHERE project_id = $1 AND commit_sha = $2 LIMIT 1),
    (SELECT commit_sha FROM test_results WHERE project_id = $1 AND commit_sha IS NOT NULL
     ORDER BY completed_at DESC LIMIT 1))
ORDER BY completed_at
