"""The guide's table of steps is the table that the desk works by."""

from scripts import ticket_table


def test_the_guide_has_the_table_as_it_is() -> None:
    page = ticket_table.PAGE.read_text(encoding="utf-8")
    assert ticket_table.with_table(page) == page, "run: .venv/bin/python -m scripts.ticket_table"
