"""All operations of all services, with required and with all parameters, through both kinds of endpoint."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from botocore.exceptions import BotoCoreError
from botocore.model import OperationModel
from tests.real.aws.conformance.capture import Client, session_speaking
from tests.real.aws.conformance.compare import Outcome, compared
from tests.real.aws.conformance.samples import Samples

from interlock.connectors.aws.codec import Codec


class Case(NamedTuple):
    """One request and what came of it. `own` tells whether it went to the service's own endpoint; `protocol` is empty for the one
    that botocore prefers."""

    service: str
    operation: str
    everything: bool
    own: bool
    outcome: Outcome
    protocol: str = ""


UNSENT = "unsent"
"""botocore itself makes no request of it: it wants an endpoint or a token of another kind, or a value that samples don't have."""


def run(codec: Codec, services: Sequence[str], ways: Iterable[bool] = (True, False)) -> list[Case]:
    """Send everything through the codec."""
    session = session_speaking()
    cases: list[Case] = []
    for service in services:
        for own in ways:
            cases += _cases(codec, Client(session, service, own), service, own)
    return cases


def run_others(codec: Codec, services: Sequence[str]) -> list[Case]:
    """The same at the services' own endpoints, in the protocols that they speak beside the one that botocore prefers, for
    other SDKs' sake."""
    session = session_speaking()
    cases: list[Case] = []
    for service in services:
        model = session.get_service_model(service)
        for protocol in set(model.metadata.get("protocols", ())) - {model.resolved_protocol}:
            client = Client(session_speaking(protocol), service, own=True)
            cases += _cases(codec, client, service, True, protocol)
    return cases


def _cases(codec: Codec, client: Client, service: str, own: bool, protocol: str = "") -> Iterator[Case]:
    for operation in client.operations():
        for everything in (False, True):
            outcome = _outcome(codec, client, operation, everything)
            yield Case(service, operation.name, everything, own, outcome, protocol)


def _outcome(codec: Codec, client: Client, operation: OperationModel, everything: bool) -> Outcome:
    try:
        sent = client.send(operation, Samples(everything).of(operation))
    except (BotoCoreError, KeyError, ValueError, AttributeError, TypeError) as error:
        return Outcome(UNSENT, f"{type(error).__name__}: {error}".splitlines()[0])
    return compared(codec, operation, sent)


def counted(cases: Iterable[Case], own: bool, others: bool = False) -> Counter[str]:
    """How many outcomes there are of each kind, for one kind of endpoint, or of the `others` protocols."""
    counts: Counter[str] = Counter()
    for case in cases:
        if case.own == own and bool(case.protocol) == others:
            counts[case.outcome.kind] += 1
            counts["shared"] += case.outcome.shared
    return counts
