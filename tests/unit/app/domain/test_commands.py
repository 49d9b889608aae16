"""Commands stand at the start of a line; everything else in a comment is for people."""

import pytest

from app.domain.commands import (
    BOX,
    COMMANDS,
    MOST_ORDERS,
    TABLE,
    TICKED,
    WORD,
    Asked,
    Misread,
    Name,
    dump,
    load,
    overview,
    read,
)


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("/aurora pause", [Asked(Name.pause)]),
        ("/Aurora  Pause.", [Asked(Name.pause)]),
        ("Let's wait.\n/aurora pause\r\n\nThanks!", [Asked(Name.pause)]),
        ("  /aurora resume, please", [Asked(Name.resume)]),
        ("/aurora approve LGTM", [Asked(Name.approve)]),
        ("/aurora budget 10\n/aurora resume", [Asked(Name.budget, "10"), Asked(Name.resume)]),
        ("/aurora budget $2.50", [Asked(Name.budget, "2.50")]),
        ("/aurora budget 12 USD.", [Asked(Name.budget, "12")]),
        ("/aurora budget US$ 3", [Asked(Name.budget, "3")]),
        ("```\nsome code\n```\n/aurora pause", [Asked(Name.pause)]),
    ],
)
def test_what_is_a_command(comment: str, found: list[Asked]):
    assert read(comment) == found
    assert load(dump(found)) == found


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "please /aurora pause",
        "> /aurora pause",
        "`/aurora pause`",
        "    /aurora pause",
        "\t/aurora pause",
        "```\n/aurora pause\n```",
        "~~~~ sh\n/aurora pause\n~~~\n/aurora resume",
        "````\n```\n/aurora pause\n```\n````",
        "```\nnever closed\n/aurora pause",
        "<!-- /aurora pause -->",
        "<!--\n/aurora pause\n-->",
        "/auroras pause",
        "/aurora-dev pause",
        "- /aurora pause",
    ],
)
def test_what_is_no_command(comment: str):
    assert read(comment) == []


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("/aurora resum", "There is no command `/aurora resum`. Did you mean `/aurora resume`?"),
        ("/aurora buget 5", "Did you mean `/aurora budget <amount>`?"),
        ("/aurora", "`/aurora` alone does nothing. The commands are `/aurora help`, `/aurora status`,"),
        ("/aurora fly", "There is no command `/aurora fly`. The commands are"),
        ("/aurora budget", "I can't read `/aurora budget` alone: write `/aurora budget <amount>`, such as"),
        ("/aurora budget a lot", "I can't read `/aurora budget a lot`: write"),
        ("/aurora budget 1,000", "I can't read"),
        ("/aurora budget -5", "I can't read"),
        ("/aurora budget nan", "I can't read"),
        ("/aurora budget 1e9", "I can't read"),
        ("/aurora budget `@everyone` <b> #1", "`/aurora budget everyone b 1`"),
    ],
)
def test_what_looks_like_one_is_answered_with_the_nearest(comment: str, words: str):
    (found,) = read(comment)
    assert isinstance(found, Misread)
    assert words in found.problem
    assert load(dump([found])) == [found]


def test_every_command_is_in_the_table_and_reads_as_its_help_shows_it():
    assert [command.name for command in TABLE] == list(Name)
    for command in TABLE:
        (found,) = read(f"{WORD} {command.name} {command.example}")
        assert found == Asked(command.name, command.example)
        assert command.usage in overview()
        assert command.help[0].islower()
        assert not command.help.endswith(".")
        assert COMMANDS[command.name] is command


@pytest.mark.parametrize("filling", ["`", "`a", "``a`", "\n", " ", "\t\n", "<!--", "```\n"])
def test_nobody_s_comment_takes_long_to_read(filling: str):
    """Strangers' are read too; by patterns that look for the same end again and again, it takes minutes."""
    long = filling * (65_000 // len(filling))
    assert read(f"{long}x") == []
    assert len(read(f"@aurora-dev {long}x", "aurora-dev")) <= 1
    assert not TICKED.search(f"{long}x")


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        ("`@aurora-dev stop`", False),
        ("``a ` @aurora-dev stop``", False),
        ("`` ` @aurora-dev stop", True),
        ("`a` @aurora-dev stop `b`", True),
        ("```a``` `@aurora-dev stop` b", False),
    ],
)
def test_a_mention_inside_of_code_is_none(line: str, heard: bool):
    """Code ends at the next run of as many backticks."""
    assert bool(read(line, "aurora-dev")) is heard


def test_a_comment_gives_so_many_orders_at_most():
    """Each of them may become a task."""
    assert len(read("/aurora fix it\n" * 1000)) == MOST_ORDERS


@pytest.mark.parametrize("text", [f"- [x] {BOX}", f"Plan\r\n\r\n- [X] {BOX}\r\n\r\nEnd", f"  * [x] {BOX} "])
def test_a_ticked_box_is_seen(text: str):
    assert TICKED.search(text)
