"""Addresses of the service's in answers, and of the gateway's in requests: queue URLs name the host that they are reached at."""

from urllib.parse import quote

import msgspec

from interlock.connectors.aws.session.record import Request

_WITH_URLS = frozenset({"sqs"})


def concerns(request: Request) -> bool:
    """Whether addresses in this service's messages are rewritten."""
    return request.call.service in _WITH_URLS


def outward(
    request: Request, headers: tuple[tuple[str, str], ...], body: bytes, upstream: str, own: str
) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """An answer in which the service's address is the gateway's. Lengths are written anew by whoever sends it."""
    ours = f"{own}/~/{request.call.service}"
    told = body
    for form in (str, _escaped):
        told = told.replace(form(upstream).encode(), form(ours).encode())
    kept = tuple((n, v) for n, v in headers if n != "content-length" and not _checks(n, changed=told != body))
    return kept, told


def _checks(name: str, *, changed: bool) -> bool:
    return changed and name in ("content-md5", "x-amz-crc32")


def inward(request: Request, upstream: str, own: str) -> Request:
    """A request in which the gateway's address is the service's again."""
    if request.body is None:
        return request
    ours = f"{own}/~/{request.call.service}"
    body = request.body
    for form in (str, _escaped, _form):
        body = body.replace(form(ours).encode(), form(upstream).encode())
    url = request.call.parameters.get("QueueUrl")
    call = request.call
    if isinstance(url, str) and url.startswith(ours):
        parameters = {**call.parameters, "QueueUrl": upstream + url.removeprefix(ours)}
        call = msgspec.structs.replace(call, parameters=parameters)
    return msgspec.structs.replace(request, body=body, call=call)


def _escaped(text: str) -> str:
    """As in JSON whose writer escapes slashes."""
    return text.replace("/", "\\/")


def _form(text: str) -> str:
    """As in a form."""
    return quote(text, safe="~")
