"""Interlock's answers in the envelope of each AWS protocol, so that SDKs and the CLI show our code and message.

Envelopes: "AWS Query protocol", "AWS EC2 query protocol", "AWS JSON 1.0", "AWS restJson1", "AWS restXml" and "Smithy RPC v2
CBOR" of the Smithy documentation, and "Error responses" of the Amazon S3 API Reference. None of the codes is in the retry
tables of botocore (legacy, standard, adaptive) or of the JavaScript SDK, and 403 and 409 are not retried either; 503 is, by
all of them."""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

from interlock.model.base import Value
from interlock.model.beside import beside_words
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Hold, Rehearse
from interlock.model.words import denial_words, effects_words, remedy_words
from interlock.sdk.connector import Held, Refused

HELD, FORBIDDEN, BREAKER = "InterlockHeld", "InterlockForbidden", "InterlockBreakerOpen"
UNAVAILABLE, IN_DOUBT, FAILED = "InterlockUnavailable", "InterlockInDoubt", "InterlockFailed"
LOST = "InterlockAnswerLost"
STATUSES: Mapping[str, int] = {
    HELD: 403,
    FORBIDDEN: 403,
    BREAKER: 403,
    UNAVAILABLE: 503,
    IN_DOUBT: 409,
    FAILED: 409,
    LOST: 409,
}
_CODES = {
    "forbidden": FORBIDDEN,
    "breaker": BREAKER,
    "unavailable": UNAVAILABLE,
    "in_doubt": IN_DOUBT,
    "failed": FAILED,
}
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
_LONGEST_HEADER = 1_000
_SHORT = 600
"""Characters of a message, most, to which an address is added."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Answer(Value, frozen=True):
    """An HTTP response. Content-Length is for whoever sends it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


Link: TypeAlias = Callable[[str], str]
"""`Gate.link`: the address at which an agent reads what becomes of its change; empty when there is none."""


def _nowhere(change: str) -> str:
    return ""


# ---- What the core said ----------------------------------------------------------------------------------------------


def held(
    answer: Held, protocol: str, service: str, request_id: str, head: bool = False, link: Link = _nowhere
) -> Answer:
    """The error for a held change: what it would do, what it waits for, what to do next, and where that can be read."""
    change = answer.change
    if change.state is not ChangeState.HELD:
        return _over(change, protocol, service, request_id, head, link(change.id))
    remedies = change.decision.remedies if isinstance(change.decision, Hold | Rehearse) else ()
    what = "held again" if answer.grown else "held already" if answer.again else "held"
    lines = beside_words(answer.beside) if answer.beside else effects_words(change.measurement.effects)
    effect = "; ".join([*answer.grown, *filter(None, (change.note,)), *lines])
    message = f"{what}: {change.id} waits for {remedy_words(remedies)}; nothing was changed. {effect}"
    then = (
        f"Tell your people about {change.id}. When it is approved, make exactly the same call again, or have it applied with: "
        f"interlock apply {change.id}"
    )
    url = link(change.id)
    details = {"change": change.id, **_at(url), "effect": effect, "next": then, "retry": "after-approval"}
    told = _with_link(_told(message, then), url)
    return error(protocol, service, HELD, told, 403, request_id, details, head)


_OVER = {
    ChangeState.DENIED: (FORBIDDEN, "denied: people said no to {}; nothing was changed", "no"),
    ChangeState.EXPIRED: (HELD, "expired: nobody decided about {} in time; nothing was changed", "asks-anew"),
    ChangeState.WITHDRAWN: (HELD, "withdrawn: {} was given up; nothing was changed", "asks-anew"),
}
_THEN = {
    "no": "Ask your people what to do instead.",
    "asks-anew": "Make the same call again to ask anew.",
    "look-first": "Do not make it again; look first what became of it.",
}


def _over(change: Change, protocol: str, service: str, request_id: str, head: bool, url: str) -> Answer:
    """For a change that does not wait any more: the client must not take it for one that does."""
    applied = (
        HELD,
        f"{{}} is {change.state.value.replace('_', ' ')}: people had it applied meanwhile",
        "look-first",
    )
    code, what, retry = _OVER.get(change.state, applied)
    reason, again = denial_words(change) if change.state is ChangeState.DENIED else ("", "")
    then = _told(_THEN[retry], again)
    details = {"change": change.id, **_at(url), "next": then, "retry": retry}
    if reason:
        details["reason"] = change.denial
    message = _with_link(_told(what.format(change.id), reason, then), url)
    return error(protocol, service, code, message, STATUSES[code], request_id, details, head)


def refused(
    answer: Refused, protocol: str, service: str, request_id: str, head: bool = False, link: Link = _nowhere
) -> Answer:
    """The error for what will not happen."""
    code = _CODES.get(answer.code, UNAVAILABLE)
    change = answer.change
    if change is not None and change.state is ChangeState.DENIED:
        return _over(change, protocol, service, request_id, head, link(change.id))
    effect = "; ".join(effects_words(change.measurement.effects)) if change is not None else ""
    again = answer.next or _again(code, answer.retry)
    url = link(change.id) if change is not None else answer.see
    about = {"change": change.id, **_at(url)} if change is not None else _at(url)
    details = {
        **about,
        **({"effect": effect} if effect else {}),
        "next": again,
        "retry": "yes" if answer.retry else "no",
    }
    message = _told(f"refused{f' ({change.id})' if change is not None else ''}: {answer.why}", effect, again)
    message = _with_link(message, url) if change is not None else _with_page(message, url)
    return error(protocol, service, code, message, STATUSES[code], request_id, details, head)


def lost(
    change: str, protocol: str, service: str, request_id: str, head: bool = False, link: Link = _nowhere
) -> Answer:
    """The error for a call that was carried out, as the resource shows, but whose answer did not come."""
    then = "Read the resource for what the answer would have told; do not make the call again."
    url = link(change) if change else ""
    about = {"change": change, **_at(url)} if change else {}
    details = {**about, "next": then, "retry": "no"}
    message = _told(
        f"carried out{f' ({change})' if change else ''}, but the service's answer was lost on the way", then
    )
    told = _with_link(message, url)
    return error(protocol, service, LOST, told, STATUSES[LOST], request_id, details, head)


def _again(code: str, retry: bool) -> str:
    if code == BREAKER and not retry:
        return (
            "People or a breaker stopped changes here. Trying again helps only after people have ended that."
        )
    if code == IN_DOUBT:
        return "It is not known whether it happened. Read the resource before you do anything else."
    return "It can be tried again later." if retry else "Trying the same again does not help."


def _at(url: str) -> Mapping[str, str]:
    return {"url": url} if url else {}


def _with_link(message: str, url: str) -> str:
    """A message that is short gets the address as its end: clients that show nothing else of an error show the message."""
    return f"{message} What becomes of it: {url}" if url and len(message) <= _SHORT else message


def _with_page(message: str, url: str) -> str:
    """The same with the page on which people put it back."""
    return f"{message} They do it at {url}" if url and len(message) <= _SHORT else message


def _told(*sentences: str) -> str:
    return " ".join(f"{each.rstrip(' .;')}." for each in sentences if each)


# ---- Envelopes -------------------------------------------------------------------------------------------------------


def error(
    protocol: str,
    service: str,
    code: str,
    message: str,
    status: int,
    request_id: str,
    details: Mapping[str, str] = {},  # never changed
    head: bool = False,
) -> Answer:
    """An error. `details` become members beside the code and the message (`InterlockChange`) and headers
    (`x-interlock-change`); the answer to HEAD has no body. A protocol that isn't known is answered as S3 does, which most
    clients can read."""
    members = {f"Interlock{name.title().replace('-', '')}": value for name, value in details.items()}
    media, body = _body(protocol, service, code, message, request_id, members)
    headers = [("content-type", media), *_marks(protocol, code, status, request_id), *_as_headers(details)]
    return Answer(status, tuple(headers), b"" if head else body)


def _body(
    protocol: str, service: str, code: str, message: str, request_id: str, members: Mapping[str, str]
) -> tuple[str, bytes]:
    kind = "Receiver" if code == UNAVAILABLE else "Sender"
    parts = _elements({"Code": code, "Message": message, **members})
    match protocol:
        case "json":
            return "application/x-amz-json-1.1", _json({"__type": code, "message": message, **members})
        case "rest-json":
            return "application/json", _json({"code": code, "message": message, **members})
        case "smithy-rpc-v2-cbor":
            return "application/cbor", _cbor({"__type": code, "message": message, **members})
        case "ec2":
            return _xml(
                "Response", f"<Errors><Error>{parts}</Error></Errors>{_element('RequestID', request_id)}"
            )
        case "query" | "rest-xml" if service != "s3":
            told = f"<Error>{_element('Type', kind)}{parts}</Error>"
            return _xml("ErrorResponse", told + _element("RequestId", request_id))
    return _xml("Error", parts + _element("RequestId", request_id))


def _marks(protocol: str, code: str, status: int, request_id: str) -> Iterable[tuple[str, str]]:
    """The headers by which clients find the code and the request's id."""
    yield "x-amzn-requestid", request_id
    yield "x-amz-request-id", request_id
    if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor"):
        yield "x-amzn-errortype", code
    if protocol in ("json", "smithy-rpc-v2-cbor"):
        # For clients of services that used to speak the query protocol ("awsQueryCompatible" trait).
        yield "x-amzn-query-error", f"{code};{'Receiver' if status >= 500 else 'Sender'}"
    if protocol == "smithy-rpc-v2-cbor":
        yield "smithy-protocol", "rpc-v2-cbor"


def _as_headers(details: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name, value in details.items():
        yield f"x-interlock-{name}", _UNPRINTABLE.sub("?", value)[:_LONGEST_HEADER]


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_NOT_XML.sub('?', text))}</{name}>"


def _elements(members: Mapping[str, str]) -> str:
    return "".join(_element(name, text) for name, text in members.items())


def _xml(root: str, content: str, namespace: str = "") -> tuple[str, bytes]:
    opening = f'<{root} xmlns="{namespace}">' if namespace else f"<{root}>"
    return "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}{content}</{root}>'.encode()


def _json(members: Mapping[str, str]) -> bytes:
    return json.dumps(members).encode()


def _cbor(members: Mapping[str, str]) -> bytes:
    """A map of texts (RFC 8949, section 3)."""
    pairs = b"".join(_cbor_text(part) for pair in members.items() for part in pair)
    return bytes([0xA0 | len(members)]) + pairs


def _cbor_text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return b"\x7a" + len(data).to_bytes(4, "big") + data


def success(
    protocol: str, service: str, operation: str, result: Mapping[str, Any], request_id: str = ""
) -> Answer:
    """The answer to a call of STS that the gateway answers itself (AssumeRole, GetSessionToken, GetCallerIdentity): nested
    mappings, texts, whole numbers and aware datetimes."""
    if (protocol, service) != ("query", "sts"):
        raise ValueError(f"{service} is not answered here")
    content = f"<{operation}Result>{_result(result)}</{operation}Result>"
    content += f"<ResponseMetadata>{_element('RequestId', request_id)}</ResponseMetadata>"
    media, body = _xml(f"{operation}Response", content, _STS)
    return Answer(200, (("content-type", media), ("x-amzn-requestid", request_id)), body)


def _result(members: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_result(value)}</{name}>" if isinstance(value, Mapping) else _element(name, _plain(value))
        for name, value in members.items()
    )


def _plain(value: str | int | dt.datetime) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
