"""People, organizations and bots as JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hub.store import Row
from hub.views.urls import Urls, node_id

Json = dict[str, Any]


def user(urls: Urls, account: Row) -> Json:
    """Show an account as `simple-user`."""
    login = account["login"]
    api = f"{urls.api}/users/{quote(login)}"
    page = f"{urls.web}/apps/{login.removesuffix('[bot]')}" if account["type"] == "Bot" else f"{urls.web}/{login}"
    return {
        "login": login,
        "id": account["id"],
        "node_id": node_id(account["type"], account["id"]),
        "avatar_url": f"{urls.web}/avatars/{account['id']}",
        "gravatar_id": "",
        "url": api,
        "html_url": page,
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": account["type"],
        "user_view_type": "public",
        "site_admin": False,
    }


def maybe_user(urls: Urls, account: Row | None) -> Json | None:
    return None if account is None else user(urls, account)


def public_user(urls: Urls, account: Row, repositories: int) -> Json:
    """Show an account's profile."""
    return {
        **user(urls, account),
        "name": account["name"],
        "company": None,
        "blog": "",
        "location": None,
        "email": account["email"],
        "hireable": None,
        "bio": None,
        "twitter_username": None,
        "public_repos": repositories,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": account["created_at"],
        "updated_at": account["created_at"],
    }


def private_user(urls: Urls, account: Row, repositories: int) -> Json:
    """Show an account's profile to itself."""
    return {
        **public_user(urls, account, repositories),
        "private_gists": 0,
        "total_private_repos": 0,
        "owned_private_repos": 0,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": True,
    }


def organization(urls: Urls, account: Row) -> Json:
    """Show an organization as webhooks do."""
    api = f"{urls.api}/orgs/{account['login']}"
    return {
        "login": account["login"],
        "id": account["id"],
        "node_id": node_id("Organization", account["id"]),
        "url": api,
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events",
        "hooks_url": f"{api}/hooks",
        "issues_url": f"{api}/issues",
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{urls.web}/avatars/{account['id']}",
        "description": account["name"],
    }
