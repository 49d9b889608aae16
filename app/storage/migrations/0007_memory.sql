-- Memory that earns its place: checked sources, what each was worth, and what became of those who were told it.

-- Meanings are compared by pgvector; where it is missing, memories that say the same are told apart less well.
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS vector;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE NOTICE 'no long-term memory: pgvector is missing or may not be installed';
END $$;

DELETE FROM working_memory WHERE coalesce(source->>'file', '') = '' OR coalesce(source->>'commit', '') = '';

ALTER TABLE working_memory
    ALTER COLUMN project_id DROP NOT NULL,
    DROP CONSTRAINT working_memory_project_id_fkey,
    ADD FOREIGN KEY (project_id) REFERENCES projects ON DELETE SET NULL,  -- what is known outlives its project
    ADD COLUMN file text NOT NULL GENERATED ALWAYS AS (source->>'file') STORED,
    ADD COLUMN embedding real[],
    ADD COLUMN embedder text,  -- that made the embedding; vectors of two embedders can't be compared
    ADD COLUMN score double precision NOT NULL DEFAULT 0,
    ADD COLUMN helped integer NOT NULL DEFAULT 0,  -- projects whose merged attempts cited it
    ADD COLUMN extracted_to text,  -- the collection of long-term memory that has it
    ADD CHECK (source->>'file' <> '' AND source->>'commit' <> '' AND source->>'project' <> '');
CREATE INDEX working_memory_of_file ON working_memory (repository, file, created_at);
CREATE INDEX working_memory_of_project ON working_memory (project_id);
CREATE INDEX working_memory_extracted ON working_memory (repository, extracted_to) WHERE extracted_to IS NOT NULL;
CREATE INDEX working_memory_helpful ON working_memory (repository, score) WHERE helped > 0;
CREATE INDEX working_memory_unread ON working_memory (repository, created_at) WHERE embedder IS NULL;

CREATE TABLE memory_uses (
    memory_id uuid NOT NULL,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    task_id uuid NOT NULL,
    round integer NOT NULL,
    agent text NOT NULL,
    cited boolean NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (memory_id, task_id, round)
);
CREATE INDEX memory_uses_of_project ON memory_uses (project_id);

CREATE TABLE memory_outcomes (
    project_id uuid PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
    repository text NOT NULL,
    fate text NOT NULL,  -- merged, changed, escalated, reverted
    base_sha text,
    files text[] NOT NULL,
    settled_at timestamptz NOT NULL
);
CREATE INDEX memory_outcomes_of_repository ON memory_outcomes (repository, settled_at);
