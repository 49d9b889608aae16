"""Every endpoint, in the order in which they are tried: a longer path before one that may swallow it."""

from __future__ import annotations

from hub.rest import apps, checks, commits, contents, issues, labels, pulls, refs, repos, reviews, users

ALL = [
    route
    for module in (apps, users, issues, labels, refs, checks, commits, contents, reviews, pulls, repos)
    for route in module.routes.found
]
