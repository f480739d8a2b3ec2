"""Why the codec's reading of a request may differ from what the client was asked for. What has no reason fails the run."""

from tests.real.aws.conformance.compare import REFUSED, TWIN
from tests.real.aws.conformance.run import UNSENT, Case

_BY_DETAIL = (
    (
        REFUSED,
        "event streams",
        "event streams from the client are refused on purpose: nobody could judge what comes in them",
    ),
    (
        REFUSED,
        "does not say which service",
        "the request is not signed with version 4, so that only the endpoint's path tells the service",
    ),
    (
        REFUSED,
        "may be for several services",
        "two services with the same signing name have the same request, for different hosts",
    ),
    (UNSENT, "MissingDependency", "botocore wants another library for this endpoint"),
)
_PATH = "another service with the same signing name has an operation with the same path"
_BY_SERVICE = {
    "sdb": "signed with version 2, which is refused on purpose",
    "cloudsearchdomain": "botocore sends this GET as a form, which only this service takes",
    "machinelearning": "botocore takes the address out of the parameters",
    "s3": "the deprecated form has a member that its successor doesn't know",
    "lexv2-models": _PATH,
    "lex-models": _PATH,
}


def reason_of(case: Case) -> str:
    """Why a case is not right; empty when nobody knows."""
    outcome = case.outcome
    if outcome.kind == TWIN:
        return "deprecated; its successor has the same request"
    by_service = _BY_SERVICE.get(case.service, "") if outcome.kind in (REFUSED, UNSENT) else ""
    found = (why for kind, part, why in _BY_DETAIL if outcome.kind == kind and part in outcome.detail)
    return by_service or next(found, "")
