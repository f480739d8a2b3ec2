"""Rows that moto has nothing of, on a model of our own: a setting that one call puts, one reads and one removes, and nothing else.

Every request and every answer must be one that botocore's model of the service allows. It shows that the steps fit together, not
what AWS does."""

from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.validate import ParamValidator
from tests.connectors.aws.undo.rig import Account, Case

from interlock.connectors.aws.call import CallFailed


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A setting by its calls. `key` are the members that name it, `given` what of the parameters is kept, and `told` the member of
    the answer that it stands in. Without one the service answers the error `absent`, or `none` in its place."""

    service: str
    put: str
    get: str
    delete: str = ""
    key: tuple[str, ...]
    given: str
    told: str
    absent: str = ""
    none: Any = None
    more: Mapping[str, Any] = {}


def _listed(kind: str) -> Kept:
    name = f"Bucket{kind}Configuration"
    member = f"{kind}Configuration"
    return Kept(
        service="s3", put=f"Put{name}", get=f"Get{name}", delete=f"Delete{name}", key=("Bucket", "Id"), given=member,
        told=member, absent="NoSuchConfiguration",
    )  # fmt: skip


_F = ("FunctionName",)
KEPT = (
    _listed("Analytics"),
    _listed("Metrics"),
    _listed("IntelligentTiering"),
    Kept(
        service="lambda", put="PutProvisionedConcurrencyConfig", get="GetProvisionedConcurrencyConfig",
        delete="DeleteProvisionedConcurrencyConfig", key=("FunctionName", "Qualifier"),
        given="ProvisionedConcurrentExecutions", told="RequestedProvisionedConcurrentExecutions",
        absent="ProvisionedConcurrencyConfigNotFoundException",
    ),
    Kept(
        service="lambda", put="PutFunctionCodeSigningConfig", get="GetFunctionCodeSigningConfig",
        delete="DeleteFunctionCodeSigningConfig", key=_F, given="CodeSigningConfigArn", told="CodeSigningConfigArn",
        absent="ResourceNotFoundException", more={"FunctionName": "f"},
    ),
    Kept(
        service="sns", put="PutDataProtectionPolicy", get="GetDataProtectionPolicy", key=("ResourceArn",),
        given="DataProtectionPolicy", told="DataProtectionPolicy", none="",
    ),
    Kept(
        service="efs", put="PutBackupPolicy", get="DescribeBackupPolicy", key=("FileSystemId",), given="BackupPolicy",
        told="BackupPolicy", none={"Status": "DISABLED"},
    ),
)  # fmt: skip


class Modelled(Account):
    """An account that has these settings, and is moto's in all else."""

    def __init__(self, endpoint: str, clients: dict[tuple[str, str], Any]) -> None:
        super().__init__(endpoint, clients)
        self._calls = {
            (each.service, name): each for each in KEPT for name in (each.put, each.get, each.delete) if name
        }
        self._values: dict[tuple[str, ...], Any] = {}

    def say(
        self, service: str, operation: str, parameters: Mapping[str, Any], *, region: str = ""
    ) -> dict[str, Any]:
        kept = self._calls.get((service, operation))
        if kept is None:
            return super().say(service, operation, parameters, region=region)
        model = self.session.get_service_model(service).operation_model(operation)
        _valid(parameters, model.input_shape)
        answer = self._answered(kept, operation, parameters)
        if model.output_shape is not None:
            _valid(answer, model.output_shape)
        return answer

    def _answered(self, kept: Kept, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        place = (kept.put, *(str(parameters[name]) for name in kept.key))
        if operation == kept.put:
            self._values[place] = parameters[kept.given]
            return {kept.told: parameters[kept.given], **kept.more} if kept.more else {}
        if place not in self._values and kept.absent:
            raise CallFailed(kept.absent, 404)
        if operation == kept.delete:
            del self._values[place]
            return {}
        return {kept.told: self._values.get(place, kept.none), **kept.more}


def _valid(value: Mapping[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()


B = {"Bucket": "data", "Id": "i"}
EXPORT: dict[str, Any] = {"StorageClassAnalysis": {}}
V = {"FunctionName": "f", "Qualifier": "1"}
F = {"FunctionName": "f"}
SIGNED = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-0000000000000000"
TOPIC = {"ResourceArn": "arn:aws:sns:eu-central-1:123456789012:t"}
FILES = {"FileSystemId": "fs-00000000"}


def _of(put: str, key: Mapping[str, Any], member: str, old: Any, new: Any) -> tuple[Case, ...]:
    """Put where there was none, over one that there was, and deleted."""
    kept = next(each for each in KEPT if each.put == put)
    state = ((kept.service, kept.get, key, kept.told),)
    made = (kept.service, put, {**key, member: old})
    cases = (
        Case(name="put", call=made, state=state),
        Case(name="put over", given=(made,), call=(kept.service, put, {**key, member: new}), state=state),
    )
    if not kept.delete:
        return cases
    return (*cases, Case(name="delete", given=(made,), call=(kept.service, kept.delete, key), state=state))


def _tiers(days: int) -> dict[str, Any]:
    return {
        "Id": "i",
        "Status": "Enabled",
        "Tierings": [{"Days": days, "AccessTier": "ARCHIVE_ACCESS"}],
    }


CASES: tuple[Case, ...] = (
    *_of(
        "PutBucketAnalyticsConfiguration",
        B,
        "AnalyticsConfiguration",
        {"Id": "i", **EXPORT},
        {"Id": "i", "Filter": {"Prefix": "a"}, **EXPORT},
    ),
    *_of(
        "PutBucketMetricsConfiguration",
        B,
        "MetricsConfiguration",
        {"Id": "i"},
        {"Id": "i", "Filter": {"Prefix": "a"}},
    ),
    *_of(
        "PutBucketIntelligentTieringConfiguration",
        B,
        "IntelligentTieringConfiguration",
        _tiers(90),
        _tiers(180),
    ),
    *_of("PutProvisionedConcurrencyConfig", V, "ProvisionedConcurrentExecutions", 5, 1),
    *_of("PutFunctionCodeSigningConfig", F, "CodeSigningConfigArn", SIGNED, SIGNED.replace("0", "1")),
    *_of("PutDataProtectionPolicy", TOPIC, "DataProtectionPolicy", '{"Name": "old"}', '{"Name": "new"}'),
    *_of("PutBackupPolicy", FILES, "BackupPolicy", {"Status": "ENABLED"}, {"Status": "DISABLED"}),
)
