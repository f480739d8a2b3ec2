"""Functions, keys, logs, trails, alarms, secrets, parameters, rules: present value beside the new one."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, items, lost, made, thing
from interlock.connectors.aws.preview.rows import Describer, Table, rows
from interlock.connectors.aws.preview.settings.engine import Rule, at, changing
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.effect import ChangeKind, Effect

_CONFIGURATION = changing(
    "lambda:function",
    "function:{FunctionName}",
    "GetFunctionConfiguration",
    {"FunctionName": "{FunctionName}"},
    "",
    (
        # Environment variables hold secrets as often as not: their names only.
        Rule("Environment.Variables", "names", "environment variables"),
        Rule("Role", "permission", "role"),
        Rule("Layers", "permission", "layers", present="Layers.*.Arn"),
        Rule("VpcConfig", "weakens", "network"),
        Rule("KMSKeyArn", "weakens", "key"),
        Rule("Timeout", "lower", "seconds that it may run"),
        Rule("MemorySize", "lower", "MB of memory"),
        Rule("Handler", "setting"),
        Rule("Runtime", "setting"),
        Rule("Description", "setting"),
        Rule("DeadLetterConfig", "weakens"),
        Rule("TracingConfig", "setting"),
        Rule("EphemeralStorage", "setting"),
        Rule("LoggingConfig", "weakens"),
        Rule("FileSystemConfigs", "weakens"),
        Rule("SnapStart", "setting"),
        Rule("ImageConfig", "setting"),
        Rule("FunctionName", "ignored"),
        Rule("RevisionId", "ignored"),
    ),
)
_ALIAS = changing(
    "lambda:function",
    "function:{FunctionName}",
    "GetAlias",
    {"FunctionName": "{FunctionName}", "Name": "{Name}"},
    "",
    (
        Rule("FunctionVersion", "weakens", "version that the alias leads to"),
        Rule("RoutingConfig", "weakens"),
        Rule("Description", "setting"),
        *(Rule(name, "ignored") for name in ("FunctionName", "Name", "RevisionId")),
    ),
)
_TRAIL = changing(
    "cloudtrail:trail",
    "trail/{Name}",
    "GetTrail",
    {"Name": "{Name}"},
    "Trail",
    (
        *(
            Rule(name, "off")
            for name in ("IncludeGlobalServiceEvents", "IsMultiRegionTrail", "IsOrganizationTrail")
        ),
        Rule("EnableLogFileValidation", "off", present="LogFileValidationEnabled"),
        Rule("Name", "ignored"),
        # Where it writes to, and with which key: any change may blind it.
    ),
)
_FUNCTION_URL = changing(
    "lambda:function",
    "function:{FunctionName}",
    "GetFunctionUrlConfig",
    {"FunctionName": "{FunctionName}"},
    "",
    (Rule("AuthType", "permission"), Rule("Cors", "permission"), Rule("FunctionName", "ignored")),
)


async def _code(survey: Survey) -> Effects:
    """UpdateFunctionCode: which code is told by its digest."""
    where = survey.about("lambda:function", "function:{FunctionName}")
    found = await survey.find(
        "lambda", "GetFunctionConfiguration", {"FunctionName": survey.text("FunctionName")}
    )
    if found is None:
        return [absent(where)]
    survey.rests_on(f"code of {where.name}", found.get("CodeSha256"))
    survey.shows("code", found.get("CodeSha256"), "what the call brings")
    return [thing(where, ChangeKind.UPDATED, "its code")]


async def _retention(survey: Survey) -> Effects:
    """PutRetentionPolicy, DeleteRetentionPolicy: log events that are older are deleted."""
    name = survey.text("logGroupName")
    where = survey.about("logs:log-group", "log-group:{logGroupName}")
    listed, _ = await survey.pages("logs", "DescribeLogGroups", {"logGroupNamePrefix": name}, key="logGroups")
    found = next((one for one in listed if one.get("logGroupName") == name), None)
    if found is None:
        return [absent(where)]
    before, after = found.get("retentionInDays"), survey.parameters.get("retentionInDays")
    survey.rests_on(f"retention of {name}", before)
    survey.shows("days that log events are kept", before or "for ever", after or "for ever")
    if after is None or (before is not None and after >= before):
        return [thing(where, ChangeKind.SETTING, "kept for longer, or as long")]
    size = found.get("storedBytes", 0)
    said = f"log events older than {after:,} days go, of {size:,} bytes"
    gone = items(where, ChangeKind.DELETED, 1, None, detail=said)
    return [thing(where, ChangeKind.WEAKENED, f"kept {before or 'for ever'} → {after:,} days"), gone]


def _switch(
    kind: str, rest: str, change: ChangeKind, detail: str, ask: str = "", by: Mapping[str, str] | None = None
) -> Describer:
    """A call that switches one thing off, on, or over."""

    async def describer(survey: Survey) -> Effects:
        where = survey.about(kind, rest)
        if ask:
            asked = {name: survey.text(*member.split("|")) for name, member in (by or {}).items()}
            if await survey.find(survey.call.service, ask, asked) is None:
                return [absent(where)]
        return [thing(where, change, detail)]

    return describer


def _key(change: ChangeKind, detail: str) -> Describer:
    """Calls on a KMS key: what uses it goes by its grants and aliases."""

    async def describer(survey: Survey) -> Effects:
        found = at(await survey.find("kms", "DescribeKey", {"KeyId": survey.text("KeyId")}), "KeyMetadata")
        if not isinstance(found, Mapping):
            return [absent(survey.about("kms:key", "key/{KeyId}"))]
        where = survey.resource("kms:key", found["Arn"])
        survey.rests_on(f"key {found['KeyId']}", found.get("KeyState"))
        survey.shows("state of the key", found.get("KeyState"), detail)
        asked = {"KeyId": found["KeyId"]}
        aliases, _ = await survey.pages("kms", "ListAliases", asked, key="Aliases")
        if aliases:
            survey.note(f"Known as {', '.join(sorted(one['AliasName'] for one in aliases))}.")
        return [thing(where, change, detail)]

    return describer


async def _key_alias(survey: Survey) -> Effects:
    """UpdateAlias, DeleteAlias: who asks for the name gets another key, or none."""
    name = survey.text("AliasName")
    where = survey.about("kms:alias", "{AliasName}")
    listed, _ = await survey.pages("kms", "ListAliases", {}, key="Aliases")
    found = next((one for one in listed if one["AliasName"] == name), None)
    if found is None:
        return [absent(where)]
    after = survey.parameters.get("TargetKeyId")
    survey.rests_on(f"target of {name}", found.get("TargetKeyId"))
    survey.shows(f"target of {name}", found.get("TargetKeyId"), after)
    if after == found.get("TargetKeyId"):
        return [thing(where, ChangeKind.SETTING, "nothing changes")]
    return [thing(where, ChangeKind.WEAKENED, "leads to another key") if after else lost(where)]


async def _alarm_put(survey: Survey) -> Effects:
    """PutMetricAlarm: a new alarm, or one that is replaced as a whole."""
    name = survey.text("AlarmName")
    where = survey.about("cloudwatch:alarm", "alarm:{AlarmName}")
    asked = {"AlarmNames": [name]}
    found = at(await survey.ask("cloudwatch", "DescribeAlarms", asked), "MetricAlarms.0")
    if not isinstance(found, Mapping):
        return [made(where)]
    names = {*survey.parameters} & {*found} | {"AlarmActions", "ActionsEnabled"}
    before = {key: found.get(key) for key in sorted(names)}
    after = {
        key: survey.parameters.get(key, True if key == "ActionsEnabled" else None) for key in sorted(names)
    }
    changed = [key for key in before if (before[key] or None) != (after[key] or None)]
    for key in changed:
        survey.rests_on(f"{key} of {name}", before[key])
        survey.shows(key, before[key], after[key])
    kind = ChangeKind.WEAKENED if changed else ChangeKind.SETTING
    return [thing(where, kind, ", ".join(changed) or "nothing changes")]


def _alarms(change: ChangeKind, detail: str) -> Describer:
    async def describer(survey: Survey) -> Effects:
        names = survey.parameters.get("AlarmNames") or [survey.parameters.get("AlarmName")]
        if not all(isinstance(name, str) and name for name in names):
            raise Unsure("the call names no alarms")
        return [
            thing(
                survey.resource("cloudwatch:alarm", survey.arn("cloudwatch", f"alarm:{name}")), change, detail
            )
            for name in names
        ]

    return describer


async def _secret_put(survey: Survey) -> Effects:
    """PutSecretValue, UpdateSecret: another value; neither is read."""
    where = survey.about("secretsmanager:Secret", "secret:{SecretId}")
    found = await survey.find("secretsmanager", "DescribeSecret", {"SecretId": survey.text("SecretId")})
    if found is None:
        return [absent(where)]
    where = survey.resource("secretsmanager:Secret", found["ARN"])
    survey.rests_on(f"versions of {where.name}", found.get("VersionIdsToStages"))
    value = any(name in survey.parameters for name in ("SecretString", "SecretBinary"))
    stages = survey.parameters.get("VersionStages", ["AWSCURRENT"])
    if not value and "KmsKeyId" not in survey.parameters:
        return [thing(where, ChangeKind.SETTING, "its description")]
    if "AWSCURRENT" in stages:
        return [thing(where, ChangeKind.PERMISSION, "what users of the secret get")]
    return [thing(where, ChangeKind.UPDATED, "a version that isn't current")]


async def _parameter(survey: Survey) -> Effects:
    """PutParameter: made, or overwritten; the value isn't read."""
    name = survey.text("Name")
    where = survey.about("ssm:parameter", "parameter/{Name}")
    chosen = {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [name]}]}
    found = at(await survey.ask("ssm", "DescribeParameters", chosen), "Parameters.0")
    if not isinstance(found, Mapping):
        return [made(where)]
    survey.rests_on(f"version of {name}", found.get("Version"))
    survey.note(f"{name} has version {found.get('Version')} now; its history keeps it.")
    return [thing(where, ChangeKind.UPDATED, "another value")]


async def _targets(survey: Survey) -> Effects:
    """RemoveTargets of a rule of EventBridge."""
    where = survey.about("events:rule-on-default-event-bus", "rule/{Rule}")
    listed, _ = await survey.pages(
        "events", "ListTargetsByRule", {"Rule": survey.text("Rule")}, key="Targets"
    )
    wanted = set(survey.parameters.get("Ids") or [])
    gone = [one for one in listed if one.get("Id") in wanted]
    return [items(where, ChangeKind.DELETED, len(gone), len(listed), detail="targets of the rule")]


async def _rule(survey: Survey) -> Effects:
    """PutRule: made, or replaced as a whole."""
    where = survey.about("events:rule-on-default-event-bus", "rule/{Name}")
    found = await survey.find("events", "DescribeRule", {"Name": survey.text("Name")})
    if found is None:
        return [made(where)]
    names = ("State", "EventPattern", "ScheduleExpression")
    after: dict[str, Any] = {"State": "ENABLED", **survey.parameters}
    changed = [name for name in names if (found.get(name) or None) != (after.get(name) or None)]
    for name in changed:
        survey.rests_on(f"{name} of {where.name}", found.get(name))
        survey.shows(name, found.get(name), after.get(name))
    kind = (
        ChangeKind.WEAKENED
        if (changed and changed != ["State"]) or after["State"] == "DISABLED"
        else ChangeKind.SETTING
    )
    return [thing(where, kind, ", ".join(changed) or "nothing changes")]


async def _images(survey: Survey) -> Effects:
    """BatchDeleteImage: so many of so many."""
    where = survey.about("ecr:repository", "repository/{repositoryName}")
    asked = {"repositoryName": survey.text("repositoryName")}
    listed, more = await survey.pages("ecr", "ListImages", asked, key="imageIds")
    wanted = survey.parameters.get("imageIds") or []
    gone = [one for one in listed if any(_is_image(one, image) for image in wanted)]
    return [items(where, ChangeKind.DELETED, len(gone), len(listed), more=more, detail="images")]


def _is_image(one: Mapping[str, Any], image: Mapping[str, Any]) -> bool:
    return bool(image) and all(one.get(name) == value for name, value in image.items())


async def _log_stream(survey: Survey) -> Effects:
    where = survey.about("logs:log-group", "log-group:{logGroupName}")
    asked = {"logGroupName": survey.text("logGroupName")}
    listed, more = await survey.pages("logs", "DescribeLogStreams", asked, key="logStreams")
    effects: list[Effect] = [
        items(where, ChangeKind.DELETED, 1, max(1, len(listed)), more=more, detail="a log stream")
    ]
    return effects


_TRAIL_OFF = _switch(
    "cloudtrail:trail", "trail/{Name}", ChangeKind.WEAKENED, "no longer records", "GetTrail", {"Name": "Name"}
)
_TRAIL_ON = _switch(
    "cloudtrail:trail", "trail/{Name}", ChangeKind.SETTING, "records again", "GetTrail", {"Name": "Name"}
)

TABLE: Table = {
    **rows("lambda", "replace indirect capacity", UpdateFunctionConfiguration=_CONFIGURATION),
    **rows("lambda", "replace indirect", UpdateFunctionCode=_code),
    **rows("lambda", "routing", UpdateAlias=_ALIAS),
    **rows("lambda", UpdateFunctionUrlConfig=_FUNCTION_URL),
    **rows("logs", "expiry audit", PutRetentionPolicy=_retention, DeleteRetentionPolicy=_retention),
    **rows("logs", "audit", DeleteLogStream=_log_stream),
    **rows("cloudtrail", "audit", UpdateTrail=_TRAIL, StopLogging=_TRAIL_OFF, StartLogging=_TRAIL_ON),
    **rows(
        "kms",
        "keys outage lockout",
        DisableKey=_key(ChangeKind.HIDDEN, "disabled: all that uses it fails"),
        EnableKey=_key(ChangeKind.SETTING, "enabled"),
        CancelKeyDeletion=_key(ChangeKind.SETTING, "not deleted, disabled"),
        DisableKeyRotation=_key(ChangeKind.WEAKENED, "no longer rotated"),
        EnableKeyRotation=_key(ChangeKind.SETTING, "rotated"),
        CreateGrant=_key(ChangeKind.PERMISSION, "a grant"),
        RevokeGrant=_key(ChangeKind.PERMISSION, "a grant is revoked"),
        RetireGrant=_key(ChangeKind.PERMISSION, "a grant is retired"),
        ReplicateKey=_key(ChangeKind.REPLICATION, "copied to another region"),
        UpdateAlias=_key_alias,
        DeleteAlias=_key_alias,
    ),
    **rows("cloudwatch", "audit", PutMetricAlarm=_alarm_put),
    **rows(
        "cloudwatch",
        "audit indirect outage",
        DisableAlarmActions=_alarms(ChangeKind.WEAKENED, "its actions are switched off"),
        EnableAlarmActions=_alarms(ChangeKind.SETTING, "its actions are switched on"),
        SetAlarmState=_alarms(ChangeKind.WEAKENED, "its state is set by hand, which runs its actions"),
    ),
    **rows("secretsmanager", "keys outage", PutSecretValue=_secret_put, UpdateSecret=_secret_put),
    **rows("ssm", "overwrite", PutParameter=_parameter),
    **rows("events", "audit replace", PutRule=_rule, RemoveTargets=_targets),
    **rows("ecr", "outage", BatchDeleteImage=_images),
}
