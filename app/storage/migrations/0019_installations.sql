-- The installation that covers a repository at present: another one, with another number, after the app was uninstalled.
ALTER TABLE repositories
    ADD COLUMN installation_id bigint NOT NULL DEFAULT 0;  -- 0: not asked for yet
