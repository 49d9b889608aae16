"""What can be switched on to go wrong, as it does on GitHub: with webhooks, REST, merges and git over HTTP."""
