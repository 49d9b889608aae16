"""A local GitHub: REST, webhooks and git over HTTP, for running AURORA-DEV without an account."""
