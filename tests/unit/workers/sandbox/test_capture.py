"""What is kept of a long stream."""

from hypothesis import given
from hypothesis import strategies as st

from workers.sandbox.capture import Capture


def test_a_short_stream_is_kept_whole():
    capture = Capture(10)
    capture.add(b"01234")
    capture.add(b"56789")
    assert capture.content() == b"0123456789"


def test_the_middle_of_a_long_stream_is_left_out_and_counted():
    capture = Capture(10)
    capture.add(b"first" + b"." * 90 + b"last!")
    assert capture.content() == "first\n[… 90 bytes left out …]\nlast!".encode()


@given(st.lists(st.binary(max_size=40)), st.integers(2, 30))
def test_however_it_arrives_both_ends_are_kept_and_memory_is_bounded(pieces, limit):
    capture, whole, half = Capture(limit), b"".join(pieces), limit // 2
    for piece in pieces:
        capture.add(piece)
    content = capture.content()
    assert capture.seen == len(whole)
    assert content[:half] == whole[:half]
    assert content.endswith(whole[half:][-half:] if len(whole) > half else whole)
    assert len(content) <= 2 * half + 60
