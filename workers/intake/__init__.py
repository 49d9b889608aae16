"""What stored deliveries come to: runs that begin, messages to those under way, and answers at once."""
