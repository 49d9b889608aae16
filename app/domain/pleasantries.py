"""Words that ask for nothing: thanks and praise, which are no work for anybody. Pure."""

import re

LONGEST = 200  # characters; what is longer says something

_VERY = r"(?:very |really )?"
_PHRASES = (
    r"(?:many )?thanks(?: a lot| so much| again)?", r"thank you(?: so much| very much)?", r"thx", r"ty", r"cheers",
    rf"(?:this |that |it )?(?:looks?|is|seems) {_VERY}(?:good|great|fine|nice|perfect)(?: to me| now)?", r"lgtm",
    rf"{_VERY}(?:great|nice|good|excellent|awesome|amazing|neat|lovely)(?: (?:work|job|stuff|one|catch))?",
    r"well done", r"kudos", r"perfect", r"cool", r"sweet", r"wow", r"fine", r"agreed", r"makes sense", r"got it",
    r"i see", r"noted", r"ack", r"understood", r"never ?mind", r"no(?: worries| problem)?", r"not yet", r"nope",
    r"all good", r"nothing", r"cc(?: @[\w-]+)*", r"fyi", r":[a-z0-9_+-]+:", r"[^\w\s?]",
)  # fmt: skip
_ANY = "|".join(_PHRASES)
# Possessive, for anybody may write it: what has matched is not matched in another way once more.
_NOTHING = re.compile(rf"\s*+(?>(?:{_ANY})(?!\w)\s*+)++", re.IGNORECASE)


def asks_nothing(text: str) -> bool:
    """Tell whether all that was said is thanks, praise or a sign of having read."""
    return len(text) <= LONGEST and _NOTHING.fullmatch(text) is not None
