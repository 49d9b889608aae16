from ledger import Entry, parse, total


def test_a_line_is_read():
    assert parse("2026-03-01 food 12.50") == Entry("2026-03-01", "food", 1250)


def test_amounts_may_lack_cents():
    assert parse("2026-03-01 books 9").cents == 900
    assert parse("2026-03-01 books 9.5").cents == 950


def test_the_total_is_in_cents():
    assert total([Entry("2026-03-01", "food", 1250), Entry("2026-03-02", "books", 999)]) == 2249
