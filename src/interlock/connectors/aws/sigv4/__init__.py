"""AWS Signature Version 4, both ways and sans-io: what agents sign is verified, the gateway's own requests are signed.

Sources: AWS General Reference, "Signature Version 4 signing process"; S3 API reference, "Authenticating Requests (AWS
Signature Version 4)", "Transferring Payload in Multiple Chunks" and "Signature calculations for trailing headers".
"""

from interlock.connectors.aws.sigv4.canonical import Folded
from interlock.connectors.aws.sigv4.canonical import by_name as folded
from interlock.connectors.aws.sigv4.credential import Claim, claim
from interlock.connectors.aws.sigv4.errors import NotSigned
from interlock.connectors.aws.sigv4.payload import UNSIGNED, Body, Mode, body, hash_of, mode
from interlock.connectors.aws.sigv4.query import without_signature
from interlock.connectors.aws.sigv4.sign import sign
from interlock.connectors.aws.sigv4.verify import unknown_key, verify, wrong_token

__all__ = [
    "UNSIGNED",
    "Body",
    "Claim",
    "Folded",
    "Mode",
    "NotSigned",
    "body",
    "claim",
    "folded",
    "hash_of",
    "mode",
    "sign",
    "unknown_key",
    "verify",
    "without_signature",
    "wrong_token",
]
