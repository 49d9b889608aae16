"""The code review: what a reader of the whole change found."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class ReviewFinding(BaseModel):
    """One remark; `blocking` ones are fixed before the work is delivered, if that succeeds at once."""

    model_config = ConfigDict(frozen=True)

    severity: Literal["blocking", "advice"]
    message: Text
    path: str = ""
    line: int = 1
    requirement: str = ""  # the REQ id that isn't met, if that is the point

    @property
    def blocks(self) -> bool:
        """Whether it should be fixed before a merge."""
        return self.severity == "blocking"


class Review(BaseModel):
    """The answer of the review step."""

    model_config = ConfigDict(frozen=True)

    approved: bool
    findings: tuple[ReviewFinding, ...] = ()
