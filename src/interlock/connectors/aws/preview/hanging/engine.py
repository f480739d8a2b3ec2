"""What hangs on a resource that is deleted is counted by reviewed rows: which question, and what its answer lists."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.preview.found import Effects, absent, items, lost, number
from interlock.connectors.aws.preview.rows import Describer
from interlock.connectors.aws.preview.settings.engine import at
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.base import Value
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource


class Hang(Value, frozen=True):
    """One kind of thing that hangs on a resource. `ask` is the listing operation, `by` its parameters with `{}` for the resource's
    name, `key` the list in its answer, `inner` a list within each entry (instances of a reservation). `stays`: it doesn't go
    with the resource, but keeps it from being deleted, or is left without it."""

    word: str
    ask: str
    by: Mapping[str, Any]
    key: str
    inner: str = ""
    stays: bool = False
    words: str = ""
    service: str = ""


class Going(Value, frozen=True):
    """A kind of resource that can be deleted. `rest` is the end of its ARN with `{}` for the name; `ask`, `by` and `select` find it
    (no `ask`: it isn't looked up; no `select`: the answer is it); `regional` and `owned`: its ARN has a region, an account.
    `guard` is the path of a protection that makes the service refuse, `tells` are paths of facts about it that people should
    read, with a word for each."""

    service: str
    kind: str
    rest: str
    ask: str = ""
    by: Mapping[str, Any] = {}
    select: str = ""
    hangs: tuple[Hang, ...] = ()
    guard: str = ""
    tells: Mapping[str, str] = {}
    regional: bool = True
    owned: bool = True
    arn: str = ""
    type: str = ""
    """CloudFormation's word for it (`AWS::EC2::VPC`)."""


def filled(template: Any, name: str) -> Any:
    if isinstance(template, Mapping):
        return {key: filled(value, name) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, name) for value in template]
    return template.replace("{}", name) if isinstance(template, str) else template


async def resource_lost(survey: Survey, going: Going, name: str) -> Effects:
    """The resource by that name (or ARN, where the service takes one), and what hangs on it."""
    found = await _found(survey, going, name)
    where = _resource(survey, going, (at(found, going.arn) if going.arn else None) or name)
    if going.ask and found is None:
        return [absent(where)]
    if going.guard and at(found, going.guard):
        survey.note(f"Deletion protection of {name} is on: the service will refuse this.")
    told = [f"{word}{at(found, path)}" for path, word in going.tells.items() if at(found, path)]
    effects: list[Effect] = []
    for hang in going.hangs:
        effects += await _hanging(survey, where, going, hang, name)
    return [lost(where, ", ".join(told)), *effects]


async def _found(survey: Survey, going: Going, name: str) -> Any:
    if not going.ask:
        return None
    answer = await survey.find(going.service, going.ask, filled(going.by, name))
    found = at(answer, going.select) if answer is not None else None
    return found or None


def _resource(survey: Survey, going: Going, name: str) -> Resource:
    arn = name
    if not name.startswith("arn:"):
        rest = filled(going.rest, name.removeprefix("/hostedzone/"))
        arn = survey.arn(going.kind.partition(":")[0], rest, region=going.regional, account=going.owned)
    known = [resource for resource in survey.what.operation.resources if resource.kind == going.kind]
    if len(known) == 1 and known[0].name.rsplit("/", 1)[-1].rsplit(":", 1)[-1] == name:
        return known[0]
    return survey.resource(going.kind, arn)


async def _hanging(survey: Survey, where: Resource, going: Going, hang: Hang, name: str) -> Effects:
    service = hang.service or going.service
    try:
        listed, more = await survey.pages(service, hang.ask, filled(hang.by, name), key=hang.key)
    except CallFailed as failed:
        if failed.missing:
            return []
        raise
    count = sum(len(one.get(hang.inner) or []) for one in listed) if hang.inner else len(listed)
    if not count:
        return []
    said = number(count, hang.word, hang.words, more=more)
    if hang.stays:
        survey.note(f"{said} still {'uses' if count == 1 else 'use'} {where.name}.")
        return []
    return [items(where, ChangeKind.DELETED, count, count, more=more, detail=said)]


def deletes(going: Going, member: str) -> Describer:
    """A describer of the call that deletes the resource that `member` names (`A|B`: the first of them that is there)."""

    async def describer(survey: Survey) -> Effects:
        return await resource_lost(survey, going, survey.text(*member.split("|")))

    return describer


def deletes_each(going: Going, member: str) -> Describer:
    """The same of a call that lists several."""

    async def describer(survey: Survey) -> Effects:
        names = survey.parameters.get(member)
        if not isinstance(names, Sequence) or isinstance(names, str) or not names:
            raise Unsure(f"the call names no {member}")
        effects: list[Effect] = []
        for name in names:
            effects += await resource_lost(survey, going, name)
        return effects

    return describer
