"""What is said of a request whose signature doesn't hold."""

from interlock.model.errors import InterlockError


class NotSigned(InterlockError):
    """The request isn't signed as it must be. `code` and `status` are what AWS would answer; `message` is a sentence without
    anything of the request's that is secret. Of a code that services spell differently by protocol, this is the one of S3 and
    the query protocol."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
