"""Everything in one process tree on this machine: servers, the local GitHub, web and workers."""
