"""Making texts fit into what a model can read: beginning and end stay, since what matters most is there."""


def clip(text: str, limit: int, *, keep_end: bool = False) -> str:
    """Return `text` without its middle, or mostly its end, when it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    head = limit // 5 if keep_end else limit * 4 // 5
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[len(text) - (limit - head) :]}"
