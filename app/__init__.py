"""What the GitHub App knows and says: its domain, GitHub, its storage and its web server."""
