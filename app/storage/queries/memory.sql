-- Working memory: what is kept for a month, what was told to whom, and what it was worth.

-- name: repository
-- The repository of a project.
SELECT repository FROM projects WHERE id = $1

-- name: keep
-- Keep a memory; the same again is fresher.
INSERT INTO working_memory (id, project_id, repository, kind, content, source, created_at, expires_at)
SELECT $1, (SELECT id FROM projects WHERE id = $2), $3, $4, $5, $6, $7::timestamptz, $7::timestamptz + interval '30 days'
ON CONFLICT (id) DO UPDATE
SET source = excluded.source, created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE working_memory.created_at < excluded.created_at

-- name: candidates
-- What might help: what is about these files, what is new, and what has helped before; of these kinds ($6).
WITH near AS (
    (SELECT id FROM working_memory WHERE repository = $1 AND file = ANY($2) AND expires_at > $4 AND score > $5
       AND kind = ANY($6)
     ORDER BY created_at DESC LIMIT 40)
    UNION
    (SELECT id FROM working_memory WHERE repository = $1 AND expires_at > $4 AND score > $5
       AND kind = ANY($6)
     ORDER BY created_at DESC LIMIT 40)
    UNION
    (SELECT id FROM working_memory WHERE repository = $1 AND helped > 0 AND expires_at > $4 AND score > $5
       AND kind = ANY($6)
     ORDER BY score DESC LIMIT 40)
)
SELECT id, kind, content, source, created_at, score, CASE WHEN embedder = $3 THEN embedding END AS embedding
FROM working_memory JOIN near USING (id)

-- name: by_id
-- Memories of a repository by their ids.
SELECT id, kind, content, source, created_at, score, CASE WHEN embedder = $2 THEN embedding END AS embedding
FROM working_memory WHERE id = ANY($1)

-- name: elsewhere
-- Which of these memories are another repository's, which may have had the name before.
SELECT id FROM working_memory WHERE id = ANY($1) AND repository <> $2

-- name: unread
-- New memories whose meaning nobody has looked at.
SELECT id, kind, content, source, created_at, score, NULL AS embedding FROM working_memory
WHERE repository = $1 AND embedder IS NULL ORDER BY created_at DESC LIMIT $2

-- name: nearest
-- The memory of the same kind that means most nearly the same.
SELECT id, score, created_at, 1 - (embedding::vector <=> $4::real[]::vector) AS similarity FROM working_memory
WHERE repository = $1 AND kind = $2 AND id <> $3 AND embedder = $5
ORDER BY embedding::vector <=> $4::real[]::vector LIMIT 1

-- name: read
-- Note a memory's meaning.
UPDATE working_memory SET embedding = $2, embedder = $3 WHERE id = $1

-- name: hand_over
-- Whoever was told the one has been told the other.
INSERT INTO memory_uses (memory_id, project_id, task_id, round, agent, cited, used_at)
SELECT $2, project_id, task_id, round, agent, cited, used_at FROM memory_uses WHERE memory_id = $1
ON CONFLICT (memory_id, task_id, round) DO UPDATE SET cited = memory_uses.cited OR excluded.cited

-- name: forget
-- Remove a memory and what is known of its use.
WITH uses AS (DELETE FROM memory_uses WHERE memory_id = $1) DELETE FROM working_memory WHERE id = $1

-- name: use
-- An agent was told a memory.
INSERT INTO memory_uses (memory_id, project_id, task_id, round, agent, cited, used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (memory_id, task_id, round) DO UPDATE SET cited = memory_uses.cited OR excluded.cited

-- name: outcome
-- What became of a project.
INSERT INTO memory_outcomes (project_id, repository, fate, base_sha, files, settled_at)
SELECT id, repository, $2, base_sha, $3, $4 FROM projects WHERE id = $1
ON CONFLICT (project_id) DO UPDATE SET fate = excluded.fate, files = excluded.files, settled_at = excluded.settled_at

-- name: merged
-- Projects that were merged lately, which people may have taken back since.
SELECT project_id, base_sha, files FROM memory_outcomes
WHERE repository = $1 AND fate IN ('merged', 'changed') AND files <> '{}' AND settled_at > $2
ORDER BY settled_at DESC LIMIT $3

-- name: revert
-- A project was taken back.
UPDATE memory_outcomes SET fate = 'reverted' WHERE project_id = $1 AND fate IN ('merged', 'changed')

-- name: judge
-- What the project was told, and what it left, is worth what became of all who were told it.
UPDATE working_memory AS memory
SET score = coalesce(used.score, 0)
        + CASE WHEN origin.fate = 'reverted' OR origin.fate IN ('escalated', 'cancelled') AND self.kind = 'decision'
               THEN ($2::jsonb->>'reverted')::float8 ELSE 0 END,  -- what was taken back, or planned and not done
    helped = coalesce(used.helped, 0)
FROM working_memory AS self
LEFT JOIN memory_outcomes AS origin ON origin.project_id = self.project_id
LEFT JOIN LATERAL (
    SELECT sum(($2::jsonb->>outcome.fate)::float8 * CASE WHEN told.cited THEN 1 ELSE $3::float8 END) AS score,
           count(*) FILTER (WHERE told.cited AND outcome.fate IN ('merged', 'changed')) AS helped
    FROM (SELECT project_id, bool_or(cited) AS cited FROM memory_uses WHERE memory_id = self.id GROUP BY project_id) told
    JOIN memory_outcomes AS outcome USING (project_id)
) AS used ON true
WHERE memory.id = self.id
  AND (self.project_id = $1 OR self.id IN (SELECT memory_id FROM memory_uses WHERE project_id = $1))

-- name: to_extract
-- What has helped in enough projects and isn't in this collection of long-term memory.
SELECT id, kind, content, source, created_at, score, NULL AS embedding FROM working_memory
WHERE repository = $1 AND helped >= $2 AND helped > 0 AND score > $3 AND extracted_to IS DISTINCT FROM $4
ORDER BY created_at LIMIT $5

-- name: extracted
-- Long-term memory has it, so it is kept until it is disproved.
UPDATE working_memory SET extracted_to = $2, expires_at = 'infinity' WHERE id = $1

-- name: has_extracted
-- Whether long-term memory has anything about a repository.
SELECT EXISTS (SELECT 1 FROM working_memory WHERE repository = $1 AND extracted_to = $2)

-- name: disproved
-- What is in long-term memory and turned out to be wrong.
SELECT id, kind, content, source, created_at, score, NULL AS embedding FROM working_memory
WHERE repository = $1 AND extracted_to = $2 AND score <= $3

-- name: withdrawn
-- Long-term memory no longer has it.
UPDATE working_memory SET extracted_to = NULL, expires_at = $2::timestamptz + interval '30 days' WHERE id = $1
