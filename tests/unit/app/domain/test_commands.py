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
    ("said", "name"),
    [
        ("what's the status?", Name.status), ("how much has this cost?", Name.status),
        ("are you done yet?", Name.status),
        ("LGTM, merge it", Name.merge), ("thanks, now merge it!", Name.merge), ("ship it", Name.merge),
        ("please don't merge this yet", Name.pause), ("ok", Name.approve), ("lgtm", Name.approve), ("", Name.help),
        ("how much memory does it use? Halve it.", Name.fix), ("thanks, but add a test", Name.fix),
        ("thanks!", None), ("great work 🎉", None), ("never mind", None),
    ],
)  # fmt: skip
def test_free_words_are_read_as_their_reader_means_them(said: str, name: Name | None):
    """What asks for nothing is left alone; what is no command is a wish."""
    assert [one.name for one in read(f"@aurora-dev {said}", "aurora-dev")] == ([name] if name else [])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("@aurora-dev please stop.", Asked(Name.cancel)),
        ("@aurora-dev: how far are you?", Asked(Name.status)),
        ("Thanks @aurora-dev, go ahead!", Asked(Name.approve)),
        ("@aurora-dev why did the tests fail?", Asked(Name.explain)),
        ("@aurora-dev merge this pull request please", Asked(Name.merge)),
        ("@aurora-dev merge the two helpers into one", Asked(Name.fix, "merge the two helpers into one")),
        ("@aurora-dev[bot] budget $12", Asked(Name.budget, "12")),
        ("@Aurora-Dev fix the typo in README", Asked(Name.fix, "the typo in README")),
        ("Nice. @aurora-dev handle the empty list too", Asked(Name.fix, "Nice.   handle the empty list too")),
        ("/aurora status\n@aurora-dev merge", Asked(Name.status)),
    ],
)
def test_words_to_the_app_do_what_a_reader_would_expect(said: str, meant: Asked):
    """A whole sentence that stands for a command is one; anything else is a wish, never a merge or an end."""
    assert read(said, "aurora-dev") == [meant]


@pytest.mark.parametrize(
    "said",
    ["> @aurora-dev merge", "`@aurora-dev merge` does it", "```\n@aurora-dev stop\n```", "mail@aurora-dev stop",
     "@aurora-device stop", "@someone/@aurora-dev-x stop", "Let the bot do it."],
)  # fmt: skip
def test_what_isn_t_said_to_the_app_is_nothing(said: str):
    assert read(said, "aurora-dev") == []


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
