"""What every part of the hub is given: its store, its repositories, its webhooks, its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hub import git
from hub.errors import not_found
from hub.faults.board import Board
from hub.repository import GitRepository
from hub.store import Row, Store
from hub.views.urls import Urls
from hub.webhooks import Outbox


@dataclass(frozen=True, slots=True)
class Places:
    """Know where everything under the data directory is."""

    data: Path

    @property
    def database(self) -> Path:
        return self.data / "hub.sqlite3"

    @property
    def repositories(self) -> Path:
        return self.data / "git"

    @property
    def hooks(self) -> Path:
        return self.data / "hooks"

    @property
    def pushes(self) -> Path:
        return self.data / "pushes"

    @property
    def git_config(self) -> Path:
        return self.data / "gitconfig"

    @property
    def description(self) -> Path:
        return self.data / "hub.json"

    def repository(self, full_name: str) -> Path:
        return self.repositories / f"{full_name}.git"


@dataclass(frozen=True, slots=True)
class Hub:
    """Hold the parts together; constructed once, in `hub.main`."""

    places: Places
    store: Store
    outbox: Outbox
    urls: Urls
    faults: Board = field(default_factory=Board)
    _open: dict[str, GitRepository] = field(default_factory=dict)

    @property
    def git_env(self) -> Mapping[str, str]:
        return git.environment(self.places.git_config)

    def git(self, repo: Row) -> GitRepository:
        """Open the bare repository behind a row."""
        full_name: str = repo["full_name"]
        if full_name not in self._open:
            path = self.places.repository(full_name)
            if not path.is_dir():
                raise not_found()
            self._open[full_name] = GitRepository(path, self.git_env)
        return self._open[full_name]

    def share(self, full_name: str, repository: GitRepository) -> None:
        """Give an open repository one more name; its lock stays one."""
        self._open[full_name] = repository
