"""From a call that isn't a read to its effects, by the best evidence that the account gives without running it.

Never DryRun: it only checks permission, and not every endpoint honours it. Unknown is treated as delete.
"""

from collections.abc import Sequence

from msgspec import structs

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed, Calls, Classified, Described, Quiet
from interlock.connectors.aws.preview.found import Effects, thing, unknown
from interlock.connectors.aws.preview.registry import row_of
from interlock.connectors.aws.preview.rows import Row
from interlock.connectors.aws.preview.seen import Seen
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.connectors.aws.verbs import tables
from interlock.connectors.aws.verbs.conditions import Known, holds
from interlock.connectors.aws.verbs.rules import STATE, QuietRule
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Resource

_BY_ACTION = {Action.CREATE: ChangeKind.CREATED, Action.UPDATE: ChangeKind.UPDATED}
_GRAVE = {Action.DELETE: ChangeKind.DELETED, Action.ADMIN: ChangeKind.PERMISSION}
_PLAIN = frozenset((ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.SETTING))


async def describe(what: Classified, calls: Calls, seen: Seen, own_accounts: Sequence[str] = ()) -> Described:
    """What a call would do. Raises Unavailable when the account doesn't answer; an answer that is an error makes the effect
    unknown.

    `own_accounts` are ours beside the target's: policies that name them don't count as foreign."""
    survey = Survey(what, calls, seen, own_accounts)
    row = row_of(what.call.service, what.call.operation)
    effects = await _ask(survey, row) if row is not None else _by_table(survey)
    effects = [*effects, *_quiet(survey, row, effects), *_blind(survey, effects)]
    effects = [*effects, *_inside(survey)]
    effects = [_again(survey, effect) for effect in effects]
    if not effects:
        # There is no transaction that shows that nothing happens: a call that isn't a read is one that may change something.
        effects = [Effect(survey.main, ChangeKind.SETTING, 0, Unit.OBJECTS, Evidence.PREDICTED)]
    return Described(tuple(effects), survey.state or None, tuple(survey.settings), tuple(survey.notes))


async def _ask(survey: Survey, row: Row) -> Effects:
    try:
        return await row.describer(survey)
    except CallFailed as failed:
        why = f"the account could not be asked: {failed.code}"
    except Unsure as unsure:
        why = str(unsure)
    survey.note(f"What {survey.call.name} does is not known: {why}.")
    return [unknown(resource, why) for resource in survey.what.operation.resources or (survey.main,)]


def _by_table(survey: Survey) -> Effects:
    """Nothing is known but the reviewed table's word, and what it leaves to the present state is open."""
    what = survey.what
    change = _BY_ACTION.get(what.operation.action)
    resources = what.operation.resources or (survey.main,)
    reasons = [quiet.why for quiet in what.quiet] + [rule.why for rule in _left_open(survey)]
    if change is None or reasons:
        why = reasons[0] if reasons else "nothing here can tell what it would do"
        return _by_image(survey, resources) or [unknown(resource, why) for resource in resources]
    return [thing(resource, change, evidence=Evidence.PREDICTED) for resource in resources]


def _by_image(survey: Survey, resources: Sequence[Resource]) -> Effects:
    """A call whose before-image was reviewed changes that and nothing else: its action says how, and the reviewed table. Nothing
    when that is no more than a setting: what the table warns of must not come out as a plain change."""
    covered = undo.covers(survey.call.service, survey.call.operation)
    if not covered or _left_open(survey) or survey.what.operation.evidence_unknown:
        return []
    change = _GRAVE.get(survey.what.operation.action)
    found = [_of_quiet(survey, quiet) for quiet in survey.what.quiet]
    if change is not None and change not in {effect.change for effect in found}:
        found = [*(thing(r, change, evidence=Evidence.PREDICTED) for r in resources), *found]
    return found if any(effect.change not in _PLAIN for effect in found) else []


def _rules(survey: Survey) -> Sequence[QuietRule]:
    return tables.quiet_rules().get(survey.call.name, ())


def _left_open(survey: Survey) -> list[QuietRule]:
    """Rows that fit if the account's present state is as it may be."""
    known = Known(survey.own)
    open_ = (rule for rule in _rules(survey) if rule.needs == STATE)
    return [rule for rule in open_ if holds(rule.when, survey.parameters, known)]


def _quiet(survey: Survey, row: Row | None, effects: Effects) -> Effects:
    """What the reviewed table says of the call and its describer doesn't answer for: it must not come out as a plain change."""
    if row is None or any(effect.evidence is Evidence.UNKNOWN for effect in effects):
        return []
    said = {effect.change for effect in effects if effect.unit is Unit.OBJECTS and effect.count}
    more = (_of_quiet(survey, quiet) for quiet in survey.what.quiet if quiet.kind not in row.judges)
    return [effect for effect in more if effect.change not in said or effect.evidence is Evidence.UNKNOWN]


def _of_quiet(survey: Survey, quiet: Quiet) -> Effect:
    """By the row's own word; a row that isn't in the table weakens."""
    mine = (rule for rule in _rules(survey) if (rule.kind, rule.why) == (quiet.kind, quiet.why))
    rule = next(mine, None)
    if rule is not None and rule.blind:
        return unknown(survey.main, quiet.why)
    change = rule.change if rule is not None else ChangeKind.WEAKENED
    return thing(survey.main, change, quiet.why, evidence=Evidence.PREDICTED)


def _blind(survey: Survey, effects: Effects) -> Effects:
    """Something is run that nobody can look into."""
    why = survey.what.operation.evidence_unknown
    told = any(effect.evidence is Evidence.UNKNOWN for effect in effects)
    return [unknown(survey.main, why)] if why and not told else []


_DROPS, _MAKES = "SQL DROP", "SQL CREATE"


def _inside(survey: Survey) -> Effects:
    """What statements in the call do to what they name, as far as their verbs tell: nobody here can look into the database. (The
    call itself is unknown already, and counts as a deletion.)"""
    effects: list[Effect] = []
    for each in survey.what.inside:
        for resource in each.resources if each.action is not Action.READ else ():
            if resource == survey.main:
                continue
            if each.verb.startswith(_MAKES):
                effects.append(thing(resource, ChangeKind.CREATED, evidence=Evidence.PREDICTED))
            elif each.verb.startswith(_DROPS):
                effects.append(unknown(resource, "dropped by SQL in the call"))
            elif each.action is Action.DELETE:
                why = "rows are deleted by SQL in the call; how many is not known"
                effects.append(
                    Effect(
                        resource, ChangeKind.DELETED, 1, Unit.ROWS, Evidence.UNKNOWN, reason=why, detail=why
                    )
                )
    return effects


def _again(survey: Survey, effect: Effect) -> Effect:
    """A create of what this session deleted is a replacement; a delete of what it made itself is worth saying."""
    if effect.unit is not Unit.OBJECTS or not effect.count:
        return effect
    name, seen = effect.resource.name, survey.seen
    if effect.change is ChangeKind.DELETED and seen.creation_of(name) is not None:
        survey.note(f"{name} was created in this session.")
    if effect.change is not ChangeKind.CREATED or (change := seen.deletion_of(name)) is None:
        return effect
    by = f" by {change}" if change else ""
    survey.note(f"{name} was deleted in this session{by}, or its deletion waits: this replaces it.")
    detail = f"deleted in this session{by} and made again"
    return structs.replace(effect, change=ChangeKind.REPLACED, detail=detail)
