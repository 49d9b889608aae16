"""REST: thin handlers that read a request, call a service and show what came of it."""
