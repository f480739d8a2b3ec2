"""From a request to a call: which service, which operation, which parameters; or Unclear.

The order is that of the protocols' own marks: the header of Smithy's RPC v2, `X-Amz-Target`, `Action` in a form or a query, and
only then the table of REST routes. A request with the marks of two protocols is refused.
"""

from collections.abc import Iterable

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.codec.index import Index
from interlock.connectors.aws.codec.marks import Marks, guessed, marks_of
from interlock.connectors.aws.codec.reading import Reading, read
from interlock.connectors.aws.codec.request import UNKNOWN, Asked, Unclear, Understood

_ALIASES = {
    "IngestionService": "importexport",
    "s3-object-lambda": "s3",
    "s3-outposts": "s3",
    "s3express": "s3",
}
"""Names in credential scopes that a service's endpoint rules give it, beside the one in its model."""


class Codec:
    """Understands requests to any of the index's services. `hosts` are the gateway's own names: buckets may be named below."""

    def __init__(self, index: Index, hosts: Iterable[str] = ()) -> None:
        self._index = index
        self._hosts = tuple(host.lower() for host in hosts)

    def understand(self, asked: Asked) -> Understood:
        """The call that a request makes. Raises Unclear when it makes none, or might make more than one."""
        try:
            marks = marks_of(asked)
            names = self._services(asked, marks)
        except Unclear as failure:
            raise self._told(failure, asked) from None
        readings, failures = [], []
        for name in names:
            try:
                readings.append(read(self._index.model(name), asked, marks, self._hosts))
            except Unclear as failure:
                failures.append(failure)
        if not readings:
            raise _worst(failures)
        return _understood(asked, _chosen(readings, failures, asked))

    def _services(self, asked: Asked, marks: Marks) -> tuple[str, ...]:
        """The services that a request may be for."""
        names = self._index.signed_as(asked.signing_name)
        names += self._index.signed_as(_ALIASES.get(asked.signing_name, ""))
        if asked.endpoint:
            return self._own(asked, names)
        if not asked.signing_name and marks.target:
            names = self._index.targeted(marks.target.rpartition(".")[0])
        if not names:
            raise Unclear("the request does not say which service it is for", UNKNOWN)
        return names

    def _own(self, asked: Asked, signed: tuple[str, ...]) -> tuple[str, ...]:
        if asked.endpoint not in self._index.heads:
            raise Unclear("there is no service of the endpoint's name", UNKNOWN)
        if asked.signing_name and asked.endpoint not in signed:
            raise Unclear("the signature is for another service than the endpoint", "SignatureDoesNotMatch")
        return (asked.endpoint,)

    def _told(self, failure: Unclear, asked: Asked) -> Unclear:
        """The failure, with the protocol in which it can probably be read."""
        names = (
            (asked.endpoint,)
            if asked.endpoint in self._index.heads
            else self._index.signed_as(asked.signing_name)
        )
        protocols = self._index.heads[names[0]].protocols if names else ()
        guess = guessed(asked)
        protocol = guess if guess in protocols or not protocols else protocols[0]
        return failure.of(protocol, names[0] if names else "")


def _chosen(readings: list[Reading], failures: list[Unclear], asked: Asked) -> list[Reading]:
    """The readings that mean the same, with the service that the credential scope names first; Unclear when two differ.

    Between services only the path decides: what differs in a query or a header is no ground to prefer one to another.
    """
    best = min(reading.rank for reading in readings)
    chosen = [reading for reading in readings if reading.rank == best]
    first = min(chosen, key=lambda reading: (reading.service != asked.signing_name, reading.service))
    if any(not reading.same(first) for reading in chosen):
        raise Unclear("the request may be for several services: use the endpoint of one", UNKNOWN)
    for failure in failures:
        if failure.rank is not None and failure.rank <= best and failure.operation != first.operation:
            raise failure
    return [first, *(reading for reading in chosen if reading is not first)]


def _worst(failures: list[Unclear]) -> Unclear:
    """The failure that says most: one that knows the operation before one that doesn't."""
    return min(
        failures, key=lambda failure: (failure.rank is None, failure.rank or (), failure.code == UNKNOWN)
    )


def _understood(asked: Asked, chosen: list[Reading]) -> Understood:
    first = chosen[0]
    call = Call(
        first.service,
        first.operation,
        asked.region,
        parameters=first.parameters,
        streaming=first.streaming,
        length=first.length,
    )
    return Understood(call, first.protocol, tuple(reading.service for reading in chosen), first.path)
