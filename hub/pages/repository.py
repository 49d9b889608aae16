"""What every page of a repository shows around its own matter."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hub.pages.visit import Visit
from hub.store import Row


def address(repo: Row) -> str:
    """Give the path of a repository's page."""
    return f"/{quote(repo['full_name'])}"


def address_in(visit: Visit) -> str:
    """Give the path of the page of the repository that a visit is to."""
    return f"/{quote(visit.part('owner'))}/{quote(visit.part('repo'))}"


def frame(visit: Visit, repo: Row, tab: str) -> dict[str, Any]:
    """Give a page its repository, with the counts that the tabs show."""
    return {"repo": with_counts(visit, repo), "tab": tab, "base": address(repo)}


def with_counts(visit: Visit, repo: Row) -> Row:
    """Add to a repository how many issues and pull requests are open."""
    pulls = visit.hub.store.value(
        "SELECT count(*) FROM pulls p JOIN issues i ON i.id = p.issue_id"
        " WHERE p.repository_id = ? AND i.state = 'open'",
        repo["id"],
    )
    return {**repo, "open_pulls": pulls, "only_issues": repo["open_issues"] - pulls}
