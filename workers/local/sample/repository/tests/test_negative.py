import pytest

from ledger import parse


@pytest.mark.parametrize("line", ["", "2026-03-01 food", "2026-03-01 food twelve"])
def test_a_line_that_is_no_entry_is_refused(line):
    with pytest.raises(ValueError):
        parse(line)
