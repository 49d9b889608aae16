"""What the base commit had already doesn't count, as many times as it was there."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.domain.checks import Finding, mark_known

FINDINGS = st.lists(
    st.builds(
        Finding,
        path=st.sampled_from(["a.py", "b.py"]),
        line=st.integers(1, 50),
        code=st.sampled_from(["E1", "E2"]),
        message=st.sampled_from(["bad", "worse"]),
    ),
    max_size=12,
)


def counted(findings) -> Counter[tuple[str, str, str]]:
    return Counter(finding.fingerprint for finding in findings)


@given(FINDINGS, FINDINGS)
def test_new_is_exactly_what_there_is_more_of_than_before(findings, baseline):
    """Findings are compared as multisets of fingerprints: lines may move, numbers may not grow."""
    marked = mark_known(findings, baseline)
    assert counted(one for one in marked if one.is_new) == counted(findings) - counted(baseline)


@given(FINDINGS, FINDINGS)
def test_nothing_is_lost_added_or_reordered(findings, baseline):
    """Marking changes the mark alone."""
    marked = mark_known(findings, baseline)
    assert [one.model_copy(update={"is_new": True}) for one in marked] == findings


@given(FINDINGS, st.randoms())
def test_the_same_findings_elsewhere_in_the_file_are_all_known(findings, random):
    """Moved lines in another order introduce nothing."""
    moved = [one.model_copy(update={"line": one.line + 7}) for one in findings]
    random.shuffle(moved)
    assert not any(one.is_new for one in mark_known(moved, findings))
