"""Login, logout, and the page behind an enrolment link."""

from typing import Any

import msgspec

from interlock.console.web.visit import Answer, Data, GoTo, Html, Visit
from interlock.model.change import Assertion
from interlock.runtime.service.people.entrance import NO_SITE


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `navigator.credentials.get` gave: all in base64url."""

    assertion: Assertion
    signature: str


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `navigator.credentials.create` gave, and the link's secret."""

    secret: str
    label: str
    credential: dict[str, Any]


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret of an enrolment link."""

    secret: str


async def login(visit: Visit) -> Answer:
    """The way in. Back to `to` afterwards, which is a path of the console's."""
    why = "" if visit.runtime.terms.site is not None else NO_SITE
    provider = visit.runtime.oidc.name if visit.runtime.oidc else ""
    return Html("login.html", {"to": own_path(visit.query.get("to", "")), "why": why, "provider": provider})


def own_path(text: str) -> str:
    """A path of the console's own, whatever was asked for: no other site's address."""
    plain = text.startswith("/console/") and "//" not in text and "\\" not in text and text.isprintable()
    return text if plain and ".." not in text else "/console/"


async def login_options(visit: Visit) -> Answer:
    """What the browser asks its passkeys with."""
    return Data(visit.runtime.entrance.login_options())


async def login_answer(visit: Visit) -> Answer:
    """Let in who answered."""
    answered = msgspec.convert(visit.form, Answered)
    entered = await visit.runtime.entrance.login(answered.assertion, answered.signature)
    return Data({"person": entered.session.person}, entered.secret)


async def logout(visit: Visit) -> Answer:
    """End every session of the person's."""
    await visit.runtime.entrance.end_all(visit.person)
    return GoTo("/console/login", "")


async def enrol(visit: Visit) -> Answer:
    """The page behind an enrolment link. Its secret stands behind `#`, and does not come here before the person acts."""
    why = "" if visit.runtime.terms.site is not None else NO_SITE
    provider = visit.runtime.oidc.name if visit.runtime.oidc else ""
    return Html("enrol.html", {"why": why, "provider": provider})


async def enrol_options(visit: Visit) -> Answer:
    """What the browser makes a passkey with."""
    return Data(await visit.runtime.enrolments.options(msgspec.convert(visit.form, Secret).secret))


async def enrol_answer(visit: Visit) -> Answer:
    """Take the passkey. It counts when somebody has confirmed it."""
    made = msgspec.convert(visit.form, Made)
    waits = await visit.runtime.enrolments.register(made.secret, made.credential, made.label)
    return Data({"person": waits.invitation.person, "code": waits.code})
