"""All operations of all services, with required and with all parameters, through both kinds of endpoint."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import botocore.session
from botocore.exceptions import BotoCoreError
from botocore.model import OperationModel
from tests.real.aws.conformance.capture import Client
from tests.real.aws.conformance.compare import Outcome, compared
from tests.real.aws.conformance.samples import Samples

from interlock.connectors.aws.codec import Codec


class Case(NamedTuple):
    """One request and what came of it. `own` tells whether it went to the service's own endpoint."""

    service: str
    operation: str
    everything: bool
    own: bool
    outcome: Outcome


UNSENT = "unsent"
"""botocore itself makes no request of it: it wants an endpoint or a token of another kind, or a value that samples don't have."""


def run(codec: Codec, services: Sequence[str], ways: Iterable[bool] = (True, False)) -> list[Case]:
    """Send everything through the codec."""
    session = botocore.session.Session()
    cases = []
    for service in services:
        for own in ways:
            client = Client(session, service, own)
            for operation in client.operations():
                for everything in (False, True):
                    outcome = _outcome(codec, client, operation, everything)
                    cases.append(Case(service, operation.name, everything, own, outcome))
    return cases


def _outcome(codec: Codec, client: Client, operation: OperationModel, everything: bool) -> Outcome:
    try:
        sent = client.send(operation, Samples(everything).of(operation))
    except (BotoCoreError, KeyError, ValueError, AttributeError, TypeError) as error:
        return Outcome(UNSENT, f"{type(error).__name__}: {error}".splitlines()[0])
    return compared(codec, operation, sent)


def counted(cases: Iterable[Case], own: bool) -> Counter[str]:
    """How many outcomes there are of each kind, for one kind of endpoint."""
    counts: Counter[str] = Counter()
    for case in cases:
        if case.own == own:
            counts[case.outcome.kind] += 1
            counts["shared"] += case.outcome.shared
    return counts
