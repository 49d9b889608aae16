-- One budget of GitHub's for each installation of the app, shared by all processes; 0 is the app itself.

CREATE TABLE github_pace (
    installation bigint PRIMARY KEY,
    turns timestamptz[] NOT NULL DEFAULT '{}',  -- of the last writes, oldest first; the youngest may still be to come
    free_at timestamptz NOT NULL DEFAULT '-infinity',  -- when the next write fits
    blocked_until timestamptz NOT NULL DEFAULT '-infinity'  -- GitHub wants to hear nothing before
) WITH (fillfactor = 50);  -- one row that changes with every write
