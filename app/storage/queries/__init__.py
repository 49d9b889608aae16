"""Every SQL statement of the system, by name."""
