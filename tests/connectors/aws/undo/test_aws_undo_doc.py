"""docs/undo-aws.md tells what the rows do."""

from tests.connectors.aws.undo.doc_table import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "python -m tests.connectors.aws.undo.doc_table"
