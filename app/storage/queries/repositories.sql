-- Repositories: their names change, and everything that is kept under a name goes along.

-- name: called
-- What a repository was called when it was last heard of, and the installation that covered it; 0 where that is unknown.
SELECT full_name, installation_id FROM repositories WHERE id = $1

-- name: learn
-- Keep what a repository is called, and what covers it; return what it was called before, NULL when it was unknown.
INSERT INTO repositories (id, full_name, installation_id) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET full_name = excluded.full_name, installation_id = excluded.installation_id
RETURNING (SELECT full_name FROM repositories WHERE id = $1)

-- name: bearer
-- Another repository than this one ($1) that had its name when it was last heard of.
SELECT id FROM repositories WHERE full_name = $2 AND id <> $1

-- name: rename_projects
-- Runs go with their repository.
UPDATE projects SET repository = $2 WHERE repository = $1

-- name: move_projects
-- Runs are spoken for by the installation that covers their repository now; what an earlier one was told is over.
UPDATE projects SET installation_id = $2, muted = false WHERE repository = $1 AND installation_id <> $2

-- name: rename_memories
-- What was learned goes with its repository, and is taken to long-term memory anew, which keeps it by name.
UPDATE working_memory SET repository = $2, extracted_to = NULL WHERE repository = $1

-- name: rename_outcomes
-- How its projects ended goes with the repository.
UPDATE memory_outcomes SET repository = $2 WHERE repository = $1

-- name: rename_requests
-- What was asked for by HTTP, and has no issue yet, goes with the repository.
UPDATE requests SET repository = $2 WHERE repository = $1

-- name: rename_purses
-- What was spent today goes with the repository.
UPDATE purses SET key = 'repository:' || $2 || substr(key, length('repository:' || $1) + 1)
WHERE starts_with(key, 'repository:' || $1 || ':')
  AND NOT EXISTS (SELECT FROM purses p
                  WHERE p.key = 'repository:' || $2 || substr(purses.key, length('repository:' || $1) + 1))

-- name: rename_calls
-- What calls under way will have cost goes with the repository; one that ends at this moment isn't waited for, since
-- it waits for the project that is renamed here.
UPDATE token_usage AS call
SET purses = ARRAY(
    SELECT CASE WHEN starts_with(purse, 'repository:' || $1 || ':') AND NOT EXISTS (SELECT FROM purses WHERE key = purse)
                THEN 'repository:' || $2 || substr(purse, length('repository:' || $1) + 1) ELSE purse END
    FROM unnest(call.purses) WITH ORDINALITY AS kept (purse, place) ORDER BY place)
WHERE id IN (
    SELECT usage.id FROM token_usage AS usage JOIN projects ON projects.id = usage.project_id
    WHERE usage.status = 'reserved' AND projects.repository = $2 FOR NO KEY UPDATE OF usage SKIP LOCKED)

-- name: rename_settings
-- The settings in force go with the repository, unless some were read under its new name already.
UPDATE repository_settings SET repository = $2
WHERE repository = $1 AND NOT EXISTS (SELECT FROM repository_settings WHERE repository = $2)

-- name: settings
-- The settings that are in force in the repository of a project, and the commit they were read at.
SELECT s.commit_sha, s.settings FROM repository_settings s JOIN projects p USING (repository) WHERE p.id = $1

-- name: keep_settings
-- Let these settings be in force in the repository of a project.
INSERT INTO repository_settings (repository, commit_sha, settings)
SELECT repository, $2, $3 FROM projects WHERE id = $1
ON CONFLICT (repository) DO UPDATE SET commit_sha = excluded.commit_sha, settings = excluded.settings
