-- When a lease was taken, and when its holder last wrote something: beating alone is no progress.
ALTER TABLE leases
    ADD COLUMN taken_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN moved_at timestamptz NOT NULL DEFAULT now();
