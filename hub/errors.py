"""What the hub refuses, in the words and status codes that GitHub uses."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """Carry one refusal to the boundary, where it becomes a JSON answer."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}


def not_found() -> ApiError:
    """Say that a thing is not there, or not for this caller to know about."""
    return ApiError(404, "Not Found")


def bad_credentials() -> ApiError:
    return ApiError(401, "Bad credentials")


def integration_refused() -> ApiError:
    """Refuse an app's token outside its permissions."""
    return ApiError(403, "Resource not accessible by integration")


def suspended() -> ApiError:
    """Refuse everything to an app whose installation is suspended."""
    return ApiError(403, "This installation has been suspended")


def invalid(resource: str, field: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """Refuse one field of a request as GitHub's validation does."""
    error: dict[str, Any] = {"resource": resource, "field": field, "code": code}
    if message is not None:
        error["message"] = message
    return ApiError(422, "Validation Failed", [error])


def custom(resource: str, message: str) -> ApiError:
    """Refuse for a reason that belongs to no single field."""
    return ApiError(422, "Validation Failed", [{"resource": resource, "code": "custom", "message": message}])


def malformed(problem: str) -> ApiError:
    """Refuse a request whose shape is wrong before looking at its meaning."""
    return ApiError(422, f"Invalid request.\n\n{problem}")
