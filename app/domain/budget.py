"""Money: what a model call may cost at most, and what it did cost."""

from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return US dollars."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


FREE = Price(0.0, 0.0)


def worst_case(price: Price, prompt_bytes: int, max_output_tokens: int) -> float:
    """Return the most US dollars that a call can cost.

    Counted in bytes, since no tokenizer in use makes more than one token of a byte.
    """
    return price.cost(prompt_bytes, max_output_tokens)
