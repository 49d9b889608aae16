-- Projects: one run of one issue.

-- name: start
-- Begin the next run of an issue, unless one is under way.
INSERT INTO projects (id, repository, installation_id, issue_number, run, title, requested_by,
                      status, phase, budget_usd, created_at, labelling)
SELECT $1, $2, $3, $4,
       COALESCE((SELECT max(run) FROM projects WHERE repository = $2 AND issue_number = $4), 0) + 1,
       $5, $6, 'parsing', 'parse', $7::float8::numeric, $8, $9
ON CONFLICT DO NOTHING
RETURNING id

-- name: get
-- One project.
SELECT * FROM projects WHERE id = $1

-- name: save
-- Everything about a project but its money and what is shown of it; tells since when it was in a line that it has left.
UPDATE projects
SET title = $2, requested_by = $3, status = $4, phase = $5, base_branch = $6, base_sha = $7, head_sha = $8,
    requirements = $9, settings = $10, pull_request = $11, reason = $12, notes = $13, rounds = $14, finished_at = $15,
    budget_usd = $16::float8::numeric, review = $17, request = $18, pause = $19, pauses = $20, budget_set = $21,
    onto = $22, plans = $23, approved = $24, guidance = $25, merge_asked = $26, queued_at = $27, base_moves = $28,
    check_fixes = $29, muted = $30, turn_at = $31, plan_comment = $32, retries = $33, ways = $34,
    follows = $35, held = held AND $4 NOT IN ('merged', 'escalated', 'cancelled')
FROM (SELECT queued_at FROM projects WHERE id = $1) AS before
WHERE id = $1
RETURNING CASE WHEN projects.queued_at IS NULL THEN before.queued_at END

-- name: shown
-- Note when the progress comment was written, and a digest of what it says.
UPDATE projects SET shown_at = $2, shown = $3 WHERE id = $1

-- name: resting
-- Whether nothing is to be done for a project within the minute.
SELECT NOT EXISTS (
    SELECT FROM agent_messages WHERE correlation_id = $1 AND handled_at IS NULL AND due_at < now() + interval '1 minute'
)

-- name: live_of_issue
-- The run of an issue that is under way.
SELECT * FROM projects
WHERE repository = $1 AND issue_number = $2 AND status NOT IN ('merged', 'escalated', 'cancelled')

-- name: latest_of_issue
-- The last run of an issue.
SELECT * FROM projects WHERE repository = $1 AND issue_number = $2 ORDER BY run DESC LIMIT 1

-- name: live_of_pull_request
-- The run under way that has this pull request.
SELECT * FROM projects
WHERE repository = $1 AND pull_request ->> 'number' = $2::text
  AND status NOT IN ('merged', 'escalated', 'cancelled')

-- name: hold
-- Let no call be begun for a project, or let them; Maestro hears of it by a message.
UPDATE projects SET held = $2 AND status NOT IN ('merged', 'escalated', 'cancelled') WHERE id = $1

-- name: lock
-- Hold a run's row for the transaction at hand.
SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE

-- name: commanded
-- What comments commanded a run; and a message, which may have been for an earlier one.
SELECT id, (payload ->> 'comment')::bigint AS comment, payload -> 'commands' AS commands
FROM agent_messages
WHERE (correlation_id = $1 OR id = $2) AND payload ->> 'event' = 'said' AND payload ? 'commands'

-- name: page
-- Projects, the newest first.
SELECT * FROM projects ORDER BY created_at DESC, id LIMIT $1 OFFSET $2

-- name: last_run
-- The last run of an issue as intake sees it.
SELECT id, phase, labelling, finished_at, status NOT IN ('merged', 'escalated', 'cancelled') AS live,
       reverts IS NOT NULL AS reverting,
       EXISTS (SELECT FROM agent_messages m WHERE m.correlation_id = projects.id AND m.handled_at IS NULL
               AND m.payload ->> 'event' = 'cancelled') AS told_to_end
FROM projects WHERE repository = $1 AND issue_number = $2 ORDER BY run DESC LIMIT 1

-- name: last_run_locked
-- The last run of an issue, for the transaction at hand alone.
SELECT id, phase, labelling, finished_at, status NOT IN ('merged', 'escalated', 'cancelled') AS live,
       reverts IS NOT NULL AS reverting,
       EXISTS (SELECT FROM agent_messages m WHERE m.correlation_id = projects.id AND m.handled_at IS NULL
               AND m.payload ->> 'event' = 'cancelled') AS told_to_end
FROM projects WHERE repository = $1 AND issue_number = $2 ORDER BY run DESC LIMIT 1
FOR UPDATE

-- name: labelled_again
-- Note that the issue of a run under way was labelled once more: it is still the same run.
UPDATE projects SET labelling = $2 WHERE id = $1

-- name: live_of_repository
-- The runs under way in a repository, each with its pull request's number.
SELECT id, issue_number, (pull_request ->> 'number')::integer AS pull_request, reverts IS NOT NULL AS reverting
FROM projects
WHERE repository = $1 AND status NOT IN ('merged', 'escalated', 'cancelled')

-- name: reverts
-- Say which run's merged work a run takes back.
UPDATE projects SET reverts = $2 WHERE id = $1

-- name: latest_of_pull_request
-- The last run that has this pull request, ended or not.
SELECT * FROM projects WHERE repository = $1 AND pull_request ->> 'number' = $2::text ORDER BY created_at DESC LIMIT 1

-- name: of_commit
-- The last run that has a commit: its head, its pull request's, or a task's.
SELECT * FROM projects p
WHERE repository = $1
  AND (head_sha = $2 OR pull_request ->> 'head_sha' = $2
       OR EXISTS (SELECT FROM tasks t WHERE t.project_id = p.id AND t.result ->> 'commit' = $2))
ORDER BY created_at DESC LIMIT 1

-- name: live_of_installation
-- The runs under way of an installation, in these repositories or, where none are named, in all.
SELECT * FROM projects
WHERE installation_id = $1 AND (cardinality($2::text[]) = 0 OR repository = ANY ($2::text[]))
  AND status NOT IN ('merged', 'escalated', 'cancelled')
