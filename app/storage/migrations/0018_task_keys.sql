-- A key names one task of the present plan; those of plans that are no more keep theirs.
ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_key_key;
CREATE UNIQUE INDEX tasks_key ON tasks (project_id, key) WHERE NOT superseded;
CREATE INDEX tasks_project ON tasks (project_id);
