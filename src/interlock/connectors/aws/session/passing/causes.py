"""Whose fault an error of a service's is ("Common errors" and "Errors" of the API references)."""

import re

from interlock.sdk.connector import Cause

REFUSED_BY_LOAD = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Codes with which a service turns a call away before it does anything ("Retry behavior" in the SDKs reference guide)."""
_LATER = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "TransactionInProgressException",
    }
)
_EXPECTED = re.compile(
    r"Not_?Found|NoSuch|NonExistent|DoesNotExist|Already|Duplicate|Conflict|InUse|Exists|NotEmpty|ConditionalCheckFailed"
    r"|ConcurrentModification|DependencyViolation|PreconditionFailed|NotModified"
)
"""There is no such thing, there is one already, others hang on it, or somebody was quicker. EC2 and some others say so with
status 400."""
_SAID = re.compile(rb"does not exist|No updates are to be performed|already exists", re.IGNORECASE)
_VAGUE = frozenset({"ValidationError", "ValidationException"})
"""Codes of which only the message tells what is meant (CloudFormation)."""


def cause_of(code: str, status: int, body: bytes = b"") -> Cause:
    """By the error code, the status, and (where the code says nothing) the message in `body`."""
    if code in REFUSED_BY_LOAD or code in _LATER or status in (408, 429) or status >= 500:
        return Cause.TRANSIENT
    if status in (304, 404, 409, 410, 412) or _EXPECTED.search(code):
        return Cause.EXPECTED
    if code in _VAGUE and _SAID.search(body[:65536]):
        return Cause.EXPECTED
    return Cause.WORK
