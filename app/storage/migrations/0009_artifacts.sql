-- Files of logs, found again on whatever host wrote them; and what retention needs to be quick.

-- One row for each file; a file without a row is removed by the worker on whose disk it is.
ALTER TABLE artifacts
    ADD COLUMN store uuid NOT NULL,  -- the data directory that holds it; `location` is the path within
    ADD COLUMN title text NOT NULL,
    ADD COLUMN size bigint NOT NULL,  -- bytes
    ADD COLUMN digest text NOT NULL,  -- SHA-256 of the content, hexadecimal
    ALTER COLUMN expires_at SET NOT NULL;
CREATE INDEX artifacts_of_project ON artifacts (project_id, created_at);
CREATE INDEX artifacts_expiry ON artifacts (expires_at);

-- The workers that can be asked for the files of a data directory. Nobody else is ever asked.
CREATE TABLE artifact_hosts (
    worker text PRIMARY KEY,
    store uuid NOT NULL,
    url text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX projects_finished ON projects (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX test_results_age ON test_results (completed_at);
CREATE INDEX deliveries_old ON deliveries (COALESCE(handled_at, parked_at))
    WHERE COALESCE(handled_at, parked_at) IS NOT NULL;
CREATE INDEX working_memory_expiry ON working_memory (expires_at);
-- A project's end is looked for, and its rows go, by these.
CREATE INDEX journal_of_project ON journal (project_id);
CREATE INDEX agent_errors_of_project ON agent_errors (project_id);
