-- Intake: which labelling began a run, deliveries that failed or were missed, and when GitHub was last looked at.

-- GitHub's id of the event by which the label was set. One labelling begins one run, whatever the clocks say; the id
-- is unique in the whole of GitHub, so a renamed repository doesn't change that.
ALTER TABLE projects ADD COLUMN labelling bigint UNIQUE;

ALTER TABLE deliveries
    ADD COLUMN failures integer NOT NULL DEFAULT 0,  -- how often handling it failed for a reason that won't go away
    ADD COLUMN error text,  -- a sentence
    ADD COLUMN parked_at timestamptz;  -- it is kept and not tried again
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE handled_at IS NULL AND parked_at IS NULL;
CREATE INDEX deliveries_parked ON deliveries (parked_at) WHERE parked_at IS NOT NULL;

-- Deliveries that GitHub could not bring, until they have come.
CREATE TABLE missed_deliveries (
    guid text PRIMARY KEY,
    attempt bigint NOT NULL,  -- GitHub's id of the newest attempt
    event text NOT NULL,
    delivered_at timestamptz NOT NULL,  -- the first attempt that was seen
    refused boolean NOT NULL,  -- the newest attempt was answered with 4xx: asking again is unlikely to help
    asked integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now()
);

-- How far GitHub has been looked at, by the name of the look.
CREATE TABLE marks (
    name text PRIMARY KEY,
    at timestamptz NOT NULL
);
