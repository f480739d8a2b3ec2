"""What breakers are told of a call beside its effects (`model.signal.Facts`); sizes of groups are the target's to tell."""

import re
from collections.abc import Iterable, Sequence

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.verbs import tables
from interlock.connectors.aws.verbs.conditions import Known, holds
from interlock.model.effect import ChangeKind, Effect, Evidence
from interlock.model.operation import Action
from interlock.model.signal import Facts

_STATEFUL = """
backup:backupVault cassandra:keyspace cassandra:table cloudformation:stack cognito-idp:userpool dynamodb:global-table
dynamodb:table ec2:volume ecr:repository elasticache:cluster elasticache:replicationgroup elasticache:serverlesscache
elasticfilesystem:file-system es:domain fsx:file-system fsx:volume glacier:vault kafka:cluster kinesis:stream kms:key
logs:log-group memorydb:cluster mq:brokers qldb:ledger rds:cluster rds:db rds:global-cluster redshift:cluster
redshift:namespace route53:hostedzone s3:bucket secretsmanager:Secret sql:database sql:schema sql:table sqs:queue
timestream:database timestream:table
"""
STATEFUL = frozenset(_STATEFUL.split())
"""Kinds that hold data of their own: made again they are empty, or another's."""
_HARMS = frozenset(ChangeKind) - {
    ChangeKind.CREATED,
    ChangeKind.UPDATED,
    ChangeKind.MOVED,
    ChangeKind.SETTING,
}
_GUARDS = ("audit", "backup")
"""Kinds of the reviewed table of quietly dangerous calls. Rights, keys and locks are what `Action.ADMIN` stands for."""
_OURS = re.compile(r"[:/]interlock-(?:[0-9a-f]{20,}|trash-)", re.ASCII)
"""How the names of the gateway's own copies, and of their bucket, begin."""
_OWN_SCHEMA = re.compile(r"(?:^|/)interlock(?:_[^./]*)?(?:\.|$)")
"""Interlock's own schemas, in the name of a thing within a database."""
_SQL_SWEEPS = {
    "SQL ALTER TABLE ALL IN TABLESPACE": "all that lies in a tablespace",
    "SQL DROP OWNED": "all that a role owns, whatever it is called",
    "SQL REASSIGN OWNED": "all that a role owns, whatever it is called",
}


def facts(whats: Sequence[Classified], effects: Iterable[Effect], trash: str = "") -> Facts:
    """Of the calls of one unit, without sizes. `trash` is the bucket of copies, where the configuration names one."""
    found = tuple(effects)
    harm = any(e.evidence is Evidence.UNKNOWN or (e.count and e.change in _HARMS) for e in found)
    return Facts(
        stateful=tuple(sorted(STATEFUL & {effect.resource.kind for effect in found})),
        # An empty list in the place of an empty list takes nothing.
        sweeping=next((why for what in whats if (why := sweeping(what))), "") if harm else "",
        guard=next((why for what in whats if (why := guard(what, trash))), ""),
    )


def sweeping(what: Classified) -> str:
    """Why a call reaches everything; empty when it names what it is about."""
    if said := next((_SQL_SWEEPS[each.verb] for each in what.inside if each.verb in _SQL_SWEEPS), ""):
        return said
    rows = tables.sweeping().get(what.call.name, ())
    return next((why for when, why in rows if holds(when, what.call.parameters, Known())), "")


def guard(what: Classified, trash: str = "") -> str:
    """Why a call touches what guards: audit, backups, the gateway's own copies."""
    if what.operation.action is Action.READ:
        return ""
    names = [resource.name for operation in what.operations for resource in operation.resources]
    own = f":::{trash}/"
    if any(_OURS.search(name) or (trash and own in f"{name}/") for name in names):
        return "Interlock's own copies"
    inside = (r.name for o in what.inside if o.action is not Action.READ for r in o.resources)
    if any(_OWN_SCHEMA.search(name) for name in inside):
        return "Interlock's own schema"
    return next((quiet.why for quiet in what.quiet if quiet.kind in _GUARDS), "")
