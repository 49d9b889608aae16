"""Start the hub from a command line: `python -m hub --port N --data DIR`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

from hub.faults.board import Board
from hub.faults.switches import BadSwitch, read_line
from hub.faults.table import TABLE
from hub.main import Import, Options, run
from hub.manifest import BadManifest
from hub.services.repos import NAME, CannotImport

FAULTS_HELP = f"switch on NAME[=OPTION:VALUE[;OPTION:VALUE]],… of: {', '.join(TABLE)}"


def options_from(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="hub", description="A local GitHub: REST, webhooks and git over HTTP.")
    parser.add_argument("--data", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--import", dest="paths", type=Path, action="append", default=[], help="copy this repository")
    parser.add_argument("--as", dest="names", action="append", default=[], help="OWNER/NAME of the import before")
    parser.add_argument("--user", dest="users", action="append", default=[], help="one more person, without rights")
    parser.add_argument("--manifest", type=Path, help="register the app of this manifest")
    parser.add_argument("--webhook-url", help="send the app's webhooks here")
    parser.add_argument("--faults", type=_faults, default={}, metavar="FAULTS", help=FAULTS_HELP)
    given = parser.parse_args(arguments)
    if len(given.paths) != len(given.names):
        parser.error("every --import needs an --as OWNER/NAME")
    imports = []
    for path, full_name in zip(given.paths, given.names, strict=True):
        owner, _, name = full_name.partition("/")
        if not (NAME.fullmatch(owner) and NAME.fullmatch(name)):
            parser.error(f"--as {full_name}: a repository is named OWNER/NAME")
        imports.append(Import(path, owner, name))
    return Options(
        data=given.data,
        port=given.port,
        host=given.host,
        imports=tuple(imports),
        users=tuple(given.users),
        manifest=given.manifest,
        webhook_url=given.webhook_url,
        faults=given.faults,
    )


def _faults(text: str) -> dict[str, Any]:
    try:
        wanted = read_line(text)
        Board(wanted)
    except BadSwitch as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return wanted


def main() -> int:
    """Run the hub; say in one sentence why when it can't."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run(options_from()))
    except (BadManifest, CannotImport) as error:
        print(f"hub: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on its terminal
        return 1
    except OSError as error:
        print(f"hub: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on its terminal
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
