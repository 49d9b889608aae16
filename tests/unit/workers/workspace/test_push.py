"""How a push ended is read from what git and the other side said."""

import pytest

from app.errors import GitError, PushRejected, Transient
from workers.workspace import push
from workers.workspace.command import Output


def answer(reason: str, stderr: str = "") -> Output:
    return Output(1, f"To http://host/a\n!\tabc:refs/heads/b\t{reason}\nDone\n".encode(), stderr)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("[rejected] (stale info)", PushRejected),
        ("[remote rejected] (incorrect old value provided)", PushRejected),
        ("[remote rejected] (cannot lock ref 'refs/heads/b': is at 12ab but expected 34cd)", PushRejected),
        ("[remote rejected] (protected branch hook declined)", GitError),
    ],
)
def test_a_branch_that_moved_is_told_from_one_that_is_protected(reason: str, expected: type[GitError]) -> None:
    refused = push.refusal(answer(reason))
    assert refused is not None
    assert type(push.error("b", refused)) is expected


def test_a_refused_workflow_file_names_the_permission() -> None:
    reason = (
        "[remote rejected] (refusing to allow a GitHub App to create or update workflow"
        " `.github/workflows/ci.yml` without `workflows` permission)"
    )
    refused = push.refusal(answer(reason))
    assert refused is not None
    assert "permission 'Workflows'" in str(push.error("b", refused))


def test_an_outage_before_the_branch_was_judged_may_be_tried_again() -> None:
    with pytest.raises(Transient):
        push.refusal(Output(1, b"", "fatal: unable to access 'http://host/a': Connection refused"))
