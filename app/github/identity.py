"""Who the app is on GitHub, and how its own writes are told from everybody else's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AppIdentity:
    """The app's id and the slug that its login is made of."""

    id: int
    slug: str

    @property
    def login(self) -> str:
        """The login under which the app writes."""
        return f"{self.slug}[bot]"

    def is_login(self, login: str) -> bool:
        """Tell whether `login` is the app's own; GitHub's logins ignore case."""
        return login.casefold() == self.login.casefold()

    def wrote(self, thing: Mapping[str, Any]) -> bool:
        """Tell whether a comment, issue or pull request, as GitHub describes it, is the app's own."""
        through = thing.get("performed_via_github_app")
        if isinstance(through, Mapping) and through.get("id") == self.id:
            return True
        user = thing.get("user")
        return isinstance(user, Mapping) and self.is_login(str(user.get("login") or ""))
