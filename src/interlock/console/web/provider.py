"""Login with the company's provider: there, and back."""

import msgspec

from interlock.console.problems import Refusal
from interlock.console.web.entering import Secret, own_path
from interlock.console.web.visit import Answer, Away, Data, Html, Visit
from interlock.runtime.oidc.links import Link
from interlock.runtime.oidc.login import Arrived, OidcLogin

_LONGEST = 1000
"""Most characters of the page to go to afterwards: the browser keeps it in a cookie."""


def _service(visit: Visit) -> OidcLogin:
    if visit.runtime.oidc is None:
        raise Refusal("not_found", "no login provider is configured")
    return visit.runtime.oidc


async def begin(visit: Visit) -> Answer:
    """To the provider."""
    to = visit.query.get("to", "")  # looked at when it comes back
    begun = await _service(visit).begin(to if len(to) <= _LONGEST else "")
    return Away(begun.address, begun.kept)


async def enrol(visit: Visit) -> Answer:
    """To the provider, with an invitation: a script of ours goes to the address."""
    asked = msgspec.convert(visit.form, Secret)
    begun = await _service(visit).begin("", asked.secret)
    return Data({"address": begun.address}, begun=begun.kept)


async def answer(visit: Visit) -> Answer:
    """Back from the provider. The page goes on by itself: the session's cookie is for requests that begin at this site."""
    arrived = await _service(visit).answer(visit.begun, visit.query)
    match arrived:
        case Arrived(entered=entered, to=to):
            return Html("arrived.html", {"to": own_path(to)}, cookie=entered.secret, begun="")
        case Link():
            return Html("waits.html", {"link": arrived}, begun="")
