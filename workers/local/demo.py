"""The demonstration: a small real repository, an issue, and everything from the label to the merge."""

import os
import shutil
import tempfile
from pathlib import Path

from git import Actor, Repo

from workers.local.run import DEFAULT_DATA, Request, console_of, run

SAMPLE = Path(__file__).with_name("sample")
AUTHOR = Actor("Sample", "sample@example.org")


async def demo(data: Path | None) -> int:
    """Publish the sample repository, open its issue, show what happens; return 0 when it was merged."""
    console = console_of(as_json=False)
    model = os.environ.get("AURORA_MODEL")
    if model:
        console.print(f"Model: [bold]{model}[/]", highlight=False)
    else:
        model = f"scripted:{SAMPLE / 'conversation.yaml'}"
        console.print(
            "Model: [bold]scripted[/] - a recorded conversation, no model is asked. "
            "Set AURORA_MODEL to see a real one.",
            highlight=False,
        )
    with tempfile.TemporaryDirectory(prefix="aurora-demo-") as folder:
        repository = make_sample(Path(folder) / "pocket-ledger")
        data = data or DEFAULT_DATA / "demo"
        status = await run(Request(repository, SAMPLE / "issue.md", model, merge="auto", data=data, fresh=True))
    console.print(f"\nEverything is kept. To look at it: [bold]aurora local --data {data}[/]", highlight=False)
    return status


def make_sample(path: Path) -> Path:
    """Make a git repository of the sample's files."""
    shutil.copytree(SAMPLE / "repository", path)
    repository = Repo.init(path, initial_branch="main")
    repository.git.add("--all")
    repository.index.commit("Keep expenses in plain text", author=AUTHOR, committer=AUTHOR)
    repository.close()
    return path
