"""What can go wrong before anything is known of a statement."""

from interlock.model.errors import Rejected


class SqlSyntax(Rejected):
    """The text does not parse. `position` counts characters from 1, as an ErrorResponse's P field does,
    and is None when the parser gives none."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class SqlTooLarge(Rejected):
    """The text is over the configured size (in bytes of UTF-8)."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the message has {size} bytes of SQL; at most {limit} are read")
        self.size = size
        self.limit = limit


class SqlTooComplex(Rejected):
    """The text parses, but its tree is too deep or too big to be looked through."""
