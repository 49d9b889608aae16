-- One after the other: what is merged into a base, and what is said in a progress comment.

ALTER TABLE projects
    ADD COLUMN turn_at timestamptz,  -- since when it has its turn to be merged
    ADD COLUMN shown text;  -- digest of what the progress comment says
