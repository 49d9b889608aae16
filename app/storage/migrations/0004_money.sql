-- Caps on money beside the project's own, and what it takes to pause a project at one of them and go on.

-- US dollars per token have up to twelve digits; sums of them are kept without rounding.
ALTER TABLE projects
    ALTER COLUMN budget_usd TYPE numeric(20, 12),
    ALTER COLUMN spent_usd TYPE numeric(20, 12),
    ALTER COLUMN reserved_usd TYPE numeric(20, 12),
    ADD COLUMN budget_set boolean NOT NULL DEFAULT false,  -- by a person: then the repository's settings don't lower it
    ADD COLUMN held boolean NOT NULL DEFAULT false,  -- somebody said pause: no call is begun, whoever works at it
    ADD COLUMN pause jsonb,  -- what holds it while its status is paused
    ADD COLUMN pauses integer NOT NULL DEFAULT 0;  -- how often it was paused

ALTER TABLE token_usage
    ALTER COLUMN reserved_usd TYPE numeric(20, 12),
    ALTER COLUMN usd TYPE numeric(20, 12),
    ADD COLUMN purses text[] NOT NULL DEFAULT '{}';  -- that the reservation counts in, besides the project

-- Whatever has a cap of its own: a task, a repository's day, the installation's day (by UTC).
CREATE TABLE purses (
    key text COLLATE "C" PRIMARY KEY,  -- task:ID, repository:OWNER/NAME:DAY, day:DAY
    cap_usd numeric(20, 12),  -- as the last reservation knew it; null: none
    spent_usd numeric(20, 12) NOT NULL DEFAULT 0,
    reserved_usd numeric(20, 12) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (reserved_usd >= 0)
);

-- The last line of defence: whatever a statement forgot, no reservation passes a cap. What a call did cost is
-- written down even where it was more than its worst case, and a cap may be lowered below what is spent.
CREATE FUNCTION refuse_overdraft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a reservation would pass the cap of % %', TG_TABLE_NAME, to_jsonb(NEW) ->> TG_ARGV[0]
        USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER no_overdraft BEFORE UPDATE ON projects FOR EACH ROW
    WHEN (NEW.reserved_usd > OLD.reserved_usd AND NEW.spent_usd + NEW.reserved_usd > NEW.budget_usd)
    EXECUTE FUNCTION refuse_overdraft('id');
CREATE TRIGGER no_overdraft BEFORE UPDATE ON purses FOR EACH ROW
    WHEN (NEW.reserved_usd > OLD.reserved_usd AND NEW.spent_usd + NEW.reserved_usd > NEW.cap_usd)
    EXECUTE FUNCTION refuse_overdraft('key');
CREATE TRIGGER no_first_overdraft BEFORE INSERT ON purses FOR EACH ROW
    WHEN (NEW.spent_usd + NEW.reserved_usd > NEW.cap_usd)
    EXECUTE FUNCTION refuse_overdraft('key');
