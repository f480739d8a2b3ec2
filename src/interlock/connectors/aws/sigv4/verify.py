"""Whether a request is from whom it says.

What AWS accepts is accepted: the same request again within its time (15 minutes around the clock's, or a presigned request's
expiry, at most seven days) is as good as the first; there is no nonce in the protocol. Callers that mind must see to it that
repeating does no harm.
"""

import hmac
from datetime import datetime, timedelta

from interlock.connectors.aws.sigv4 import canonical as c
from interlock.connectors.aws.sigv4 import query as q
from interlock.connectors.aws.sigv4.credential import Claim, Headers
from interlock.connectors.aws.sigv4.errors import NotSigned

SKEW = timedelta(minutes=15)

_TOKEN_AFTERWARDS = "iotdevicegateway"
"""The service whose clients add the security token after signing (IoT developer guide, "MQTT over WebSockets")."""


def verify(
    claim: Claim,
    secret: str,
    method: str,
    path: str,
    query: str,
    headers: Headers,
    payload_hash: str,
    now: datetime,
) -> None:
    """Raise NotSigned unless the request was signed with `secret` and its time is right; the same arguments as of `claim`.

    `payload_hash` is what stands for the body in the signature: `Mode.hash`, or `hash_of` the body where that is empty.
    """
    _check_time(claim, now)
    leave_out = {q.SIGNATURE} if claim.presigned else set()
    if claim.presigned and claim.service == _TOKEN_AFTERWARDS:
        leave_out.add(q.TOKEN)
    request = c.canonical_request(
        method,
        c.canonical_path(path, claim.service),
        c.canonical_query(query, leave_out),
        c.by_name(headers),
        claim.signed_headers,
        payload_hash,
    )
    key = c.signing_key(secret, claim.date, claim.region, claim.service)
    if not hmac.compare_digest(c.signature(key, claim.timestamp, claim.scope, request), claim.signature):
        raise NotSigned(
            "SignatureDoesNotMatch",
            "The signature does not match the request. Check the key and the signing method.",
        )


def _check_time(claim: Claim, now: datetime) -> None:
    if claim.date != claim.timestamp[:8]:
        raise NotSigned("SignatureDoesNotMatch", "The date of the credential is not that of the request.")
    if claim.expires_s is not None:
        _check_expiry(claim.at, claim.expires_s, now)
    elif abs(now - claim.at) > SKEW:
        code = "RequestTimeTooSkewed" if claim.s3 else "SignatureDoesNotMatch"
        raise NotSigned(
            code,
            "The time of the request is more than 15 minutes off (signature expired, or not yet current).",
        )


def _check_expiry(at: datetime, expires_s: int, now: datetime) -> None:
    if at - now > SKEW:
        raise NotSigned("AccessDenied", "Request is not yet valid")
    if now > at + timedelta(seconds=expires_s):
        raise NotSigned("AccessDenied", "Request has expired")


def unknown_key(claim: Claim) -> NotSigned:
    """What is answered when nobody has the key."""
    code = "InvalidAccessKeyId" if claim.s3 else "InvalidClientTokenId"
    return NotSigned(code, "The access key is not known here.")


def wrong_token(claim: Claim) -> NotSigned:
    """What is answered when the security token isn't the key's, or missing."""
    return (
        NotSigned("InvalidToken", "The security token is invalid.", 400) if claim.s3 else unknown_key(claim)
    )
