-- What must hold in PostgreSQL: each query returns the rows that break it, none when all is well.
-- `always`: at every moment, also in the middle of a run. `at rest`: once everything that was asked for has ended.

-- name: one live run of an issue (always)
-- However often, and in whatever order, a label is announced.
SELECT repository, issue_number, count(*) FROM projects
WHERE status NOT IN ('merged', 'escalated', 'cancelled')
GROUP BY repository, issue_number HAVING count(*) > 1

-- name: one branch and one pull request of a run (always)
SELECT repository, pull_request ->> 'number' AS number, count(*) FROM projects
WHERE pull_request IS NOT NULL
GROUP BY repository, pull_request ->> 'number' HAVING count(*) > 1

-- name: no project beyond its cap (always)
SELECT id, spent_usd, reserved_usd, budget_usd FROM projects WHERE spent_usd + reserved_usd > budget_usd

-- name: what a project spent is the sum of its calls (always)
SELECT p.id, p.spent_usd, p.reserved_usd, c.spent, c.reserved
FROM projects p CROSS JOIN LATERAL (
    SELECT COALESCE(sum(usd) FILTER (WHERE status IN ('settled', 'forfeited')), 0) AS spent,
           COALESCE(sum(reserved_usd) FILTER (WHERE status = 'reserved'), 0) AS reserved
    FROM token_usage WHERE project_id = p.id
) c
WHERE p.spent_usd <> c.spent OR p.reserved_usd <> c.reserved

-- name: no purse beyond its cap (always)
-- The task's, the repository's day and the installation's day, however many reserve in them at once.
SELECT key, spent_usd, reserved_usd, cap_usd FROM purses WHERE spent_usd + reserved_usd > cap_usd

-- name: what a purse holds is the sum of its calls (always)
SELECT key, p.spent_usd, p.reserved_usd, c.spent, c.reserved
FROM purses p FULL JOIN (
    SELECT key, COALESCE(sum(usd) FILTER (WHERE status IN ('settled', 'forfeited')), 0) AS spent,
           COALESCE(sum(reserved_usd) FILTER (WHERE status = 'reserved'), 0) AS reserved
    FROM token_usage CROSS JOIN unnest(purses) AS key GROUP BY key
) c USING (key)
WHERE (p.spent_usd, p.reserved_usd) IS DISTINCT FROM (c.spent, c.reserved)

-- name: a call counts in every purse that it should (always)
-- The task's where it is a task's, and both of a day.
SELECT id, task_id, purses FROM token_usage
WHERE cardinality(purses) <> CASE WHEN task_id IS NULL THEN 2 ELSE 3 END
   OR (task_id IS NOT NULL AND NOT 'task:' || task_id = ANY (purses))

-- name: a paid answer is recorded, and once (always)
-- The journal's row and the payment are one transaction.
SELECT u.id, u.scope, u.position FROM token_usage u
LEFT JOIN journal j ON j.subject = COALESCE(u.task_id, u.project_id) AND j.scope = u.scope AND j.position = u.position
    AND j.kind = 'model'
WHERE u.status = 'settled' AND j.subject IS NULL

-- name: no call is paid for twice (always)
SELECT COALESCE(task_id, project_id), scope, position, count(*) FROM token_usage WHERE status = 'settled'
GROUP BY COALESCE(task_id, project_id), scope, position HAVING count(*) > 1

-- name: no recorded answer without its payment (always)
SELECT j.subject, j.scope, j.position FROM journal j
WHERE j.kind = 'model' AND NOT EXISTS (
    SELECT FROM token_usage u WHERE u.status = 'settled'
      AND COALESCE(u.task_id, u.project_id) = j.subject AND u.scope = j.scope AND u.position = j.position
)

-- name: a journal has no gaps (always)
-- A resumed task replays it from the beginning.
SELECT subject, scope, min(position), max(position), count(*) FROM journal
GROUP BY subject, scope HAVING min(position) <> 0 OR max(position) <> count(*) - 1

-- name: no journal row under an old token (always)
-- Whoever writes after a successor has begun is not fenced.
SELECT old.subject, old.scope, old.position, old.epoch, new.epoch AS successor FROM journal old
JOIN journal new ON new.subject = old.subject AND new.epoch > old.epoch AND new.created_at < old.created_at

-- name: no journal row of a token that was never given (always)
SELECT j.subject, j.scope, j.position, j.epoch, l.epoch AS last FROM journal j
LEFT JOIN leases l ON l.subject = j.subject WHERE l.subject IS NULL OR j.epoch > l.epoch

-- name: saved state has one successor (always)
-- Two writers fork a thread silently.
SELECT thread_id, parent_checkpoint_id, count(*) FROM checkpoints WHERE parent_checkpoint_id IS NOT NULL
GROUP BY thread_id, checkpoint_ns, parent_checkpoint_id HAVING count(*) > 1

-- name: saved state has one beginning (always)
SELECT thread_id, count(*) FROM checkpoints WHERE parent_checkpoint_id IS NULL
GROUP BY thread_id, checkpoint_ns HAVING count(*) > 1

-- name: no task message handled while its task goes on (always)
-- The message is what brings a successor to the task.
SELECT t.id, t.key, t.status FROM tasks t JOIN projects p ON p.id = t.project_id
WHERE t.status IN ('ready', 'running') AND p.status NOT IN ('merged', 'escalated', 'cancelled')
  AND NOT EXISTS (SELECT FROM agent_messages m WHERE m.subject = t.id AND m.handled_at IS NULL)

-- name: nothing under way that nobody is told to move (always)
-- A project at work has a message of its own or a task's that waits.
SELECT p.id, p.status, p.phase FROM projects p
WHERE p.status IN ('parsing', 'planning', 'building', 'verifying')
  AND NOT EXISTS (SELECT FROM agent_messages m WHERE m.correlation_id = p.id AND m.handled_at IS NULL)

-- name: an end is dated (always)
-- What is open has come to an end as far as it is ours.
SELECT id, status FROM projects
WHERE (status IN ('merged', 'escalated', 'cancelled', 'open')) <> (finished_at IS NOT NULL)

-- name: an outcome is dated (always)
SELECT project_id, key FROM effects WHERE (outcome IS NULL) <> (done_at IS NULL)

-- name: only what can be merged is in line (always)
-- Whoever is in it and can't go on keeps everybody behind it waiting.
SELECT id, status, queued_at, turn_at FROM projects
WHERE (queued_at IS NOT NULL OR turn_at IS NOT NULL) AND status NOT IN ('open', 'verifying')

-- name: a turn is had in line (always)
SELECT id, status, turn_at FROM projects WHERE turn_at IS NOT NULL AND queued_at IS NULL

-- name: one project at a time has its turn to be merged into a base (always)
SELECT repository, base_branch, count(*) FROM projects WHERE turn_at IS NOT NULL
GROUP BY repository, base_branch HAVING count(*) > 1

-- name: what an answer is to was obeyed (always)
SELECT id, payload FROM agent_messages WHERE answer <> '' AND obeyed_at IS NULL

-- name: no concern is taken up twice (always)
-- Neither by two tasks of a run nor twice by one.
SELECT t.project_id, c.value ->> 'kind' AS kind, c.value ->> 'id' AS id, count(*)
FROM tasks t CROSS JOIN LATERAL jsonb_array_elements(t.concerns) c
WHERE c.value ->> 'kind' IN ('thread', 'review')
GROUP BY 1, 2, 3 HAVING count(*) > 1

-- name: a merge is taken back once (always)
SELECT reverts, count(*) FROM projects WHERE reverts IS NOT NULL GROUP BY reverts HAVING count(*) > 1

-- name: what was obeyed is handled (at rest)
SELECT id, payload, obeyed_at FROM agent_messages WHERE obeyed_at IS NOT NULL AND handled_at IS NULL

-- name: nobody waits for a turn that nobody has (at rest)
SELECT waits.id FROM projects waits
WHERE waits.queued_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM projects has WHERE has.repository = waits.repository AND has.base_branch = waits.base_branch
      AND has.turn_at IS NOT NULL
)

-- name: every delivery is handled (at rest)
SELECT guid, event, action, tries FROM deliveries WHERE handled_at IS NULL

-- name: every message is handled (at rest)
-- Those of a paused run wait until it goes on.
SELECT m.id, m.message_type, m.subject, m.tries, m.rings FROM agent_messages m
WHERE m.handled_at IS NULL
  AND NOT EXISTS (SELECT FROM projects p WHERE p.id = m.correlation_id AND p.status = 'paused')

-- name: every intent has its outcome (at rest)
-- A push is compare-and-swap: one that is found done after a crash is noted under what was found. What a run was at when
-- it was cancelled nobody wants any more; that it isn't there twice, or half, is for the hub to say.
SELECT e.project_id, p.status, e.key FROM effects e JOIN projects p ON p.id = e.project_id
WHERE e.outcome IS NULL AND p.status <> 'cancelled' AND NOT EXISTS (
    SELECT FROM effects o WHERE o.project_id = e.project_id AND o.outcome IS NOT NULL AND e.key LIKE 'push.%'
      AND regexp_replace(o.key, '\.[0-9a-f]*\.([0-9a-f]{40})$', ' \1')
        = regexp_replace(e.key, '\.[0-9a-f]*\.([0-9a-f]{40})$', ' \1')
)

-- name: no money is set aside (at rest)
SELECT id, scope, position, reserved_usd FROM token_usage WHERE status = 'reserved'

-- name: no lease is held (at rest)
-- The lease on looking at GitHub comes and goes all the time.
SELECT subject, owner, epoch FROM leases
WHERE expires_at > now() AND subject IN (SELECT id FROM projects UNION ALL SELECT id FROM tasks)

-- name: a project that ended has no task under way (at rest)
SELECT t.id, t.key, t.status FROM tasks t JOIN projects p ON p.id = t.project_id
WHERE p.status IN ('merged', 'escalated', 'cancelled') AND t.status NOT IN ('completed', 'failed', 'cancelled')

-- name: nobody is at work (at rest)
SELECT pid, state, left(query, 80) AS query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
