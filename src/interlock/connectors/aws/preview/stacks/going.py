"""DeleteStack: every resource, nested stacks too, with what it holds."""

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import structs

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.preview.found import Effects, absent, lost, number, unknown
from interlock.connectors.aws.preview.stacks import stack as stacks
from interlock.connectors.aws.preview.stacks.losing import all_of, type_lost
from interlock.connectors.aws.preview.stacks.stack import Part, Stack
from interlock.connectors.aws.preview.stacks.template import Template
from interlock.connectors.aws.preview.stacks.types import type_of
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Resource

NESTED = "AWS::CloudFormation::Stack"
DEEPEST = 5
_RETAINED = ("Retain", "RetainExceptOnCreate")


async def deleted(survey: Survey) -> Effects:
    """DeleteStack."""
    name = survey.text("StackName")
    found = await stacks.find(survey, name)
    if found is None:
        return [absent(survey.about("cloudformation:stack", "stack/{StackName}"))]
    if found.protected:
        survey.note("Termination protection is on: the service will refuse this.")
    spared = frozenset(survey.parameters.get("RetainResources") or ())
    effects = await stack_lost(survey, found, spared)
    gone = number(len(found.parts), "resource")
    return [lost(stacks.resource(survey, found), f"the stack with {gone}"), *effects]


async def stack_lost(
    survey: Survey, stack: Stack, spared: frozenset[str] = frozenset(), depth: int = 0
) -> Effects:
    """All that a stack has, but what its template retains."""
    template = await _template(survey, stack)
    jobs: list[Callable[[Survey], Awaitable[Effects]]] = []
    for part in stack.parts:
        if part.logical in spared or retained(template, part.logical):
            survey.note(f"{part.logical} ({part.type}) is kept and belongs to no stack afterwards.")
            continue
        jobs.append(partial(part_lost, stack=stack, part=part, template=template, depth=depth))
    return await all_of(survey, jobs)


async def _template(survey: Survey, stack: Stack) -> Template | None:
    """Without a template that is understood nothing counts as retained."""
    try:
        return await stacks.present_template(survey, stack.id or stack.name)
    except (CallFailed, Unsure):
        survey.note("The stack's template could not be read: nothing counts as retained.")
        return None


def retained(template: Template | None, logical: str) -> bool:
    declared = template.resources.get(logical) if template else None
    return declared is not None and declared.deletion in _RETAINED


def snapshot(template: Template | None, part: Part) -> bool:
    """Whether the service takes a snapshot before it deletes (AWS CloudFormation User Guide, "DeletionPolicy attribute")."""
    declared = template.resources.get(part.logical) if template else None
    if declared is None:
        return False
    rule = type_of(part.type)
    by_default = (
        rule is not None and rule.snapshot_by_default and "DBClusterIdentifier" not in declared.properties
    )
    return declared.deletion == "Snapshot" or (not declared.deletion and by_default)


async def part_lost(
    survey: Survey, *, stack: Stack, part: Part, template: Template | None, depth: int = 0
) -> Effects:
    """One resource of a stack."""
    if part.type == NESTED:
        return await _nested(survey, part, depth, stack.name)
    effects = await type_lost(survey, part.type, part.physical, stack.name)
    return [_with_snapshot(effect) for effect in effects] if snapshot(template, part) else effects


def _with_snapshot(effect: Effect) -> Effect:
    detail = f"{effect.detail}; " if effect.detail else ""
    return structs.replace(effect, detail=f"{detail}a snapshot is taken first")


async def _nested(survey: Survey, part: Part, depth: int, group: str) -> Effects:
    where = Resource("cloudformation:stack", part.physical, group)
    if depth >= DEEPEST:
        return [unknown(where, "stacks are nested too deep to be looked at")]
    try:
        inner = await stacks.find(survey, part.physical)
        if inner is None:
            return [absent(where)]
        return [lost(where, "a nested stack"), *await stack_lost(survey, inner, depth=depth + 1)]
    except (CallFailed, Unsure) as failed:
        return [unknown(where, f"a nested stack could not be looked at: {failed}")]


def as_replaced(effects: Effects) -> Effects:
    """The same when a new one takes its place: what it held is lost all the same."""
    return [
        structs.replace(effect, change=ChangeKind.REPLACED)
        if effect.change is ChangeKind.DELETED and effect.unit is Unit.OBJECTS
        else effect
        for effect in effects
    ]
