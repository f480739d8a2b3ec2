"""UpdateStack, change sets and CreateStack: what comes, goes, and is replaced."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.preview.found import Effects, absent, made, thing, unknown
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.stacks import stack as stacks
from interlock.connectors.aws.preview.stacks.compare import Outcome, Version, compare
from interlock.connectors.aws.preview.stacks.going import (
    DEEPEST,
    NESTED,
    as_replaced,
    deleted,
    part_lost,
    retained,
)
from interlock.connectors.aws.preview.stacks.losing import all_of
from interlock.connectors.aws.preview.stacks.resolve import Resolver
from interlock.connectors.aws.preview.stacks.stack import Part, Stack
from interlock.connectors.aws.preview.stacks.template import Declared, Template
from interlock.connectors.aws.preview.stacks.types import is_code, resource_of, type_of
from interlock.connectors.aws.preview.survey import Survey, Unsure, digest
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_CFN = "cloudformation"
_KEPT = ("Retain", "RetainExceptOnCreate")


async def updated(survey: Survey) -> Effects:
    """UpdateStack: the templates compared."""
    found = await stacks.find(survey, survey.text("StackName"))
    if found is None:
        return [absent(survey.about("cloudformation:stack", "stack/{StackName}"))]
    return await _changes(survey, found, survey.parameters)


async def _changes(survey: Survey, stack: Stack, given: Mapping[str, Any], depth: int = 0) -> Effects:
    """What becomes of a stack by a template and parameters that are given."""
    old = await stacks.present_version(survey, stack)
    template = await stacks.given_template(survey, given, stack.id or stack.name)
    where = stacks.resource(survey, stack)
    if template.macros:
        return [thing(where, ChangeKind.UPDATED, "the stack"), _expanded(survey, where)]
    new = await stacks.given_version(survey, template, given.get("Parameters") or (), old.parameters)
    outcomes = [*compare(old, new, stack.present)]
    told = {one.logical for one in outcomes}
    # A nested stack is looked through even if nothing of it changes here: its template may have changed where it lies.
    kept = (part for part in stack.parts if part.type == NESTED and part.logical not in told)
    outcomes += [Outcome(part.logical, NESTED, "updated") for part in kept]
    effects = await _all(survey, stack, old, new, outcomes, depth)
    return [thing(where, ChangeKind.UPDATED, "the stack"), *effects]


def _expanded(survey: Survey, where: Resource) -> Effect:
    """A template with macros says nothing of what it becomes. A change set does, and making one changes nothing."""
    survey.note("To see what it would do, make a change set of it (CreateChangeSet) and execute that.")
    return unknown(where, "the template uses macros, which the service expands")


async def _all(
    survey: Survey, stack: Stack, old: Version, new: Version | None, outcomes: list[Outcome], depth: int = 0
) -> Effects:
    _renames(survey, outcomes)
    jobs: list[Callable[[Survey], Awaitable[Effects]]] = [
        partial(_effects, stack=stack, old=old.template, new=new, outcome=outcome, depth=depth)
        for outcome in outcomes
    ]
    return await all_of(survey, jobs)


async def _nested(survey: Survey, stack: Stack, part: Part, new: Version | None, depth: int) -> Effects:
    """A nested stack, with the template and parameters that its parent gives it."""
    where = Resource("cloudformation:stack", part.physical, stack.name)
    try:
        inner = await stacks.find(survey, part.physical)
        if inner is None or new is None or depth >= DEEPEST:
            raise Unsure("it could not be looked at")
        properties = Resolver(new.template, new.parameters).properties(new.template.resources[part.logical])
        return await _changes(survey, inner, _handed_down(properties), depth + 1)
    except (CallFailed, Unsure) as failed:
        return [unknown(where, f"a nested stack is updated: {failed}")]


def _handed_down(properties: Mapping[str, Any]) -> dict[str, Any]:
    values = properties.get("Parameters") or {}
    if not isinstance(properties.get("TemplateURL"), str) or not isinstance(values, Mapping):
        raise Unsure("its template isn't known")
    if not all(isinstance(value, str | int) for value in values.values()):
        raise Unsure("its parameters come of other resources")
    given = [{"ParameterKey": name, "ParameterValue": str(value)} for name, value in values.items()]
    return {"TemplateURL": properties["TemplateURL"], "Parameters": given}


def _renames(survey: Survey, outcomes: list[Outcome]) -> None:
    """A new logical name looks like an edit, and is a deletion and a creation."""
    for gone in outcomes:
        for come in outcomes:
            if (gone.fate, come.fate, gone.type) == ("removed", "added", come.type):
                survey.note(
                    f"{gone.logical} goes and {come.logical} comes: a new name in a template is a new resource."
                )


async def _effects(
    survey: Survey, *, stack: Stack, old: Template, new: Version | None, outcome: Outcome, depth: int
) -> Effects:
    part = next((one for one in stack.parts if one.logical == outcome.logical), None)
    if outcome.fate == "added" or part is None:
        return [_added(survey, stack, new, outcome)]
    where = resource_of(survey, part.type, part.physical, stack.name)
    if is_code(part.type):
        return [unknown(where, "a custom resource: its code runs")]
    if outcome.fate == "doubtful":
        return [unknown(where, "whether the template still has it can't be said")]
    if outcome.fate == "removed":
        return await _removed(survey, stack, part, old)
    if outcome.fate == "replaced":
        return await _replaced(survey, stack, part, old, new, outcome)
    if part.type == NESTED:
        return await _nested(survey, stack, part, new, depth)
    return _updated(where, part, outcome)


async def _removed(survey: Survey, stack: Stack, part: Part, old: Template) -> Effects:
    if retained(old, part.logical):
        survey.note(f"{part.logical} ({part.type}) is kept and belongs to no stack afterwards.")
        return []
    return await part_lost(survey, stack=stack, part=part, template=old)


async def _replaced(
    survey: Survey, stack: Stack, part: Part, old: Template, new: Version | None, outcome: Outcome
) -> Effects:
    rule = type_of(part.type)
    because = ", ".join(outcome.because) or "a change of it"
    where = resource_of(survey, part.type, part.physical, stack.name)
    if rule is not None and rule.disposable:
        return _updated(where, part, outcome)
    survey.note(f"{part.logical} ({part.type}) is made anew because of {because}.")
    declared = (new.template if new else old).resources.get(part.logical)
    if declared is not None and declared.replacement in _KEPT:
        return [thing(where, ChangeKind.REPLACED, f"by {because}; the old one is kept, apart from the stack")]
    effects = as_replaced(await part_lost(survey, stack=stack, part=part, template=None))
    # What could not be found is replaced all the same.
    return (
        effects if any(one.count for one in effects) else [thing(where, ChangeKind.REPLACED, f"by {because}")]
    )


def _updated(where: Resource, part: Part, outcome: Outcome) -> Effects:
    rule = type_of(part.type)
    changed = ", ".join(outcome.properties)
    effects: list[Effect] = []
    if rule is not None and (names := rule.weakened(outcome.properties)):
        effects.append(thing(where, ChangeKind.WEAKENED, ", ".join(names)))
    if rule is not None and (names := rule.permitted(outcome.properties)):
        effects.append(thing(where, ChangeKind.PERMISSION, ", ".join(names)))
    return effects or [thing(where, ChangeKind.UPDATED, changed)]


_NAMES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::IAM::Role": "RoleName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::RDS::DBCluster": "DBClusterIdentifier",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::ECR::Repository": "RepositoryName",
}


def _added(survey: Survey, stack: Stack, new: Version | None, outcome: Outcome) -> Effect:
    declared = new.template.resources.get(outcome.logical) if new else None
    return _made(survey, stack.name, outcome.logical, outcome.type, new, declared)


def _made(
    survey: Survey,
    stack: str,
    logical: str,
    type_name: str,
    version: Version | None,
    declared: Declared | None,
) -> Effect:
    """A resource that a template makes: by its own name if it gives one, so that what was deleted before is recognised."""
    name: Any = None
    if version is not None and declared is not None and type_name in _NAMES:
        name = Resolver(version.template, version.parameters).properties(declared).get(_NAMES[type_name])
    if isinstance(name, str) and name:
        physical = survey.arn("sns", name) if type_name == "AWS::SNS::Topic" else name
        return made(resource_of(survey, type_name, physical, stack), logical)
    rule = type_of(type_name)
    where = survey.arn(_CFN, f"stack/{stack}/*/{logical}")
    return made(Resource(rule.kind if rule else "cloudformation:resource", where, stack), type_name)


async def created(survey: Survey) -> Effects:
    """CreateStack: all that the template has."""
    name = survey.text("StackName")
    where = survey.about("cloudformation:stack", "stack/{StackName}")
    template = await stacks.given_template(survey, survey.parameters, "")
    version = await stacks.given_version(survey, template, survey.parameters.get("Parameters") or (), {})
    parts = [
        _made(survey, name, logical, declared.type, version, declared)
        for logical, declared in template.resources.items()
        if Resolver(template, version.parameters).exists(declared) is not False
    ]
    doubt = [_expanded(survey, where)] if template.macros else []
    return [made(where), *doubt, *parts]


async def planned(survey: Survey) -> Effects:
    """CreateChangeSet: a plan, which changes nothing yet."""
    name = survey.text("ChangeSetName")
    where = survey.resource("cloudformation:changeset", survey.arn(_CFN, f"changeSet/{name}/*"))
    return [made(where, "a plan; nothing changes until it is executed")]


async def forgotten(survey: Survey) -> Effects:
    """DeleteChangeSet."""
    name = survey.text("ChangeSetName")
    arn = name if name.startswith("arn:") else survey.arn(_CFN, f"changeSet/{name}/*")
    return [thing(survey.resource("cloudformation:changeset", arn), ChangeKind.SETTING, "a plan is dropped")]


async def executed(survey: Survey) -> Effects:
    """ExecuteChangeSet: the service's own plan, and where that leaves something open, the templates compared."""
    asked = {
        name: survey.parameters[name] for name in ("ChangeSetName", "StackName") if name in survey.parameters
    }
    told = await survey.find(_CFN, "DescribeChangeSet", asked)
    where = survey.about("cloudformation:stack", "stack/{StackName|ChangeSetName}")
    if told is None:
        return [absent(where)]
    changes, more = await survey.pages(_CFN, "DescribeChangeSet", asked, key="Changes")
    if more:
        raise Unsure("the change set has more changes than can be looked at")
    survey.rests_on("change set", [told.get("ChangeSetId"), told.get("CreationTime"), digest(changes)])
    name = told.get("StackName") or survey.text("StackName")
    found = await stacks.find(survey, name) or Stack("", name, ())
    where = stacks.resource(survey, found) if found.id else where
    old = await stacks.present_version(survey, found) if found.parts else Version(Template({}))
    new = await _planned_version(survey, asked, told, found, old)
    outcomes = _outcomes(changes, found, old, new)
    kind = ChangeKind.UPDATED if found.parts else ChangeKind.CREATED
    return [thing(where, kind, "the stack"), *await _all(survey, found, old, new, outcomes)]


async def _planned_version(
    survey: Survey, asked: Mapping[str, Any], told: Mapping[str, Any], stack: Stack, old: Version
) -> Version | None:
    """The template of the change set, where the service shows it."""
    try:
        name = asked.get("StackName") or stack.name
        template = await stacks.present_template(survey, name, asked["ChangeSetName"])
    except (CallFailed, Unsure):
        return None
    return await stacks.given_version(survey, template, told.get("Parameters") or (), old.parameters)


def _outcomes(changes: list[Any], stack: Stack, old: Version, new: Version | None) -> list[Outcome]:
    compared = {one.logical: one for one in compare(old, new, stack.present)} if new else {}
    return [_outcome(change.get("ResourceChange") or {}, compared) for change in changes]


def _outcome(change: Mapping[str, Any], compared: Mapping[str, Outcome]) -> Outcome:
    logical, type_name = change.get("LogicalResourceId", ""), change.get("ResourceType", "")
    properties = _properties(change)
    action = change.get("Action")
    if action in ("Add", "Import"):
        return Outcome(logical, type_name, "added")
    if action == "Remove":
        return Outcome(logical, type_name, "removed")
    if action != "Modify":
        return Outcome(logical, type_name, "doubtful")
    replacement = change.get("Replacement")
    if replacement in ("True", "Conditional"):
        return Outcome(logical, type_name, "replaced", properties, properties)
    mine = compared.get(logical)
    if replacement == "False":
        return Outcome(logical, type_name, "updated", properties or (mine.properties if mine else ()))
    # The service left it open. Without a comparison the worst is assumed.
    return mine if mine and mine.type == type_name else Outcome(logical, type_name, "replaced", properties)


def _properties(change: Mapping[str, Any]) -> tuple[str, ...]:
    targets = [detail.get("Target") or {} for detail in change.get("Details") or []]
    named = {target.get("Name") or target.get("Attribute", "") for target in targets}
    return tuple(sorted(name for name in named if name))


async def _protection(survey: Survey) -> Effects:
    """UpdateTerminationProtection."""
    found = await stacks.find(survey, survey.text("StackName"))
    if found is None:
        return [absent(survey.about("cloudformation:stack", "stack/{StackName}"))]
    after = bool(survey.parameters.get("EnableTerminationProtection"))
    survey.rests_on("termination protection", found.protected)
    survey.shows("termination protection", found.protected, after)
    change = ChangeKind.WEAKENED if found.protected and not after else ChangeKind.SETTING
    return [thing(stacks.resource(survey, found), change, "termination protection")]


async def _guard(survey: Survey) -> Effects:
    """SetStackPolicy: what updates may not touch."""
    found = await stacks.find(survey, survey.text("StackName"))
    if found is None:
        return [absent(survey.about("cloudformation:stack", "stack/{StackName}"))]
    present = await survey.find(_CFN, "GetStackPolicy", {"StackName": survey.text("StackName")})
    survey.rests_on("stack policy", (present or {}).get("StackPolicyBody"))
    survey.shows(
        "stack policy", (present or {}).get("StackPolicyBody"), survey.parameters.get("StackPolicyBody")
    )
    return [thing(stacks.resource(survey, found), ChangeKind.WEAKENED, "what updates may not touch")]


async def _cloud_control(survey: Survey) -> Effects:
    """DeleteResource of Cloud Control: any type, by its identifier."""
    part = Part("", survey.text("TypeName"), survey.text("Identifier"))
    return await part_lost(survey, stack=Stack("", "", ()), part=part, template=None)


TABLE = {
    **rows(_CFN, "indirect replace", DeleteStack=deleted, CreateStack=created),
    **rows(_CFN, "indirect replace", UpdateStack=updated, ExecuteChangeSet=executed),
    **rows(_CFN, "indirect", CreateChangeSet=planned, DeleteChangeSet=forgotten),
    **rows(_CFN, "guard", UpdateTerminationProtection=_protection, SetStackPolicy=_guard),
    **rows("cloudcontrol", "indirect", DeleteResource=_cloud_control),
}
