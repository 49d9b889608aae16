"""Memory in three tiers: Redis for the hour, PostgreSQL for the month, Mem0 for what has held across projects."""
