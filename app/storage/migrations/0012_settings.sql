-- What a repository says about itself: the settings that are in force there, and the ways that a run keeps to.

CREATE TABLE repository_settings (  -- the last that could be read: a mistake made since doesn't undo them
    repository text PRIMARY KEY,
    commit_sha text NOT NULL,  -- where they were read; without the file these are the defaults
    settings jsonb NOT NULL
);

ALTER TABLE projects
    ADD COLUMN ways jsonb NOT NULL DEFAULT '{}';  -- style of commits, sign-off, pull-request template
