-- What somebody approved stays approved when nothing but the base is merged into it.

ALTER TABLE projects
    ADD COLUMN follows text[] NOT NULL DEFAULT '{}';  -- a head, then those that it adds nothing to but the base
