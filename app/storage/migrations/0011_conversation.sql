-- What people say while a run is under way, and after it: plans that are made anew, follow-ups, turns to be merged.

ALTER TABLE projects
    ADD COLUMN onto text,  -- the commit that tasks' work is merged onto, once it isn't the base
    ADD COLUMN plans integer NOT NULL DEFAULT 0,  -- how many were made
    ADD COLUMN plan_comment bigint,  -- that shows the present plan and asks for approval
    ADD COLUMN retries integer NOT NULL DEFAULT 0,
    ADD COLUMN approved integer,  -- the number of the plan that somebody approved
    ADD COLUMN guidance jsonb NOT NULL DEFAULT '[]',  -- what people said about the plan, or about trying again
    ADD COLUMN merge_asked text,  -- the head that somebody wants merged, whatever the policy
    ADD COLUMN queued_at timestamptz,  -- since when it waits for, or has, its turn to be merged
    ADD COLUMN base_moves integer NOT NULL DEFAULT 0,
    ADD COLUMN check_fixes integer NOT NULL DEFAULT 0,
    ADD COLUMN reverts uuid REFERENCES projects ON DELETE SET NULL,
    ADD COLUMN muted boolean NOT NULL DEFAULT false,
    ADD COLUMN shown_at timestamptz;  -- when the progress comment was last written

ALTER TABLE tasks
    ADD COLUMN concerns jsonb NOT NULL DEFAULT '[]',  -- what it answers on the pull request
    ADD COLUMN superseded boolean NOT NULL DEFAULT false;  -- of a plan that is no more

-- What a message had done is written with what it did, and so is the answer to it: nothing is obeyed twice.
ALTER TABLE agent_messages
    ADD COLUMN obeyed_at timestamptz,
    ADD COLUMN answer text;

CREATE INDEX projects_queued ON projects (repository, base_branch, queued_at) WHERE queued_at IS NOT NULL;
