"""Lambda."""

from interlock.connectors.aws.undo.data.common import filled, some
from interlock.connectors.aws.undo.data.functions import code, policy, sources
from interlock.connectors.aws.undo.data.settings import Final, Made, Setting
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.registry import Row, rows_of

_CONCURRENCY = Setting(
    "lambda",
    "the concurrency of function {}",
    "FunctionName",
    "GetFunctionConcurrency",
    "PutFunctionConcurrency",
    "ReservedConcurrentExecutions",
    "ReservedConcurrentExecutions",
    delete="DeleteFunctionConcurrency",
)
_PROVISIONED = Setting(
    "lambda",
    "the provisioned concurrency of function {}",
    "FunctionName Qualifier",
    "GetProvisionedConcurrencyConfig",
    "PutProvisionedConcurrencyConfig",
    "RequestedProvisionedConcurrentExecutions",
    "ProvisionedConcurrentExecutions",
    delete="DeleteProvisionedConcurrencyConfig",
)
_ALIAS = Setting(
    "lambda",
    "the alias {1} of function {0}",
    "FunctionName Name",
    "GetAlias",
    "UpdateAlias",
    "[FunctionVersion, Description, RoutingConfig.AdditionalVersionWeights || `{}`]",
    build=lambda old, given: {
        "FunctionVersion": old[0],
        "Description": old[1] or "",
        "RoutingConfig": {"AdditionalVersionWeights": old[2] or {}},
    },
    delete="DeleteAlias",
)
_ALIAS_AGAIN = Setting(
    "lambda",
    "the alias {1} of function {0}",
    "FunctionName Name",
    "GetAlias",
    "CreateAlias",
    "[FunctionVersion, Description, RoutingConfig.AdditionalVersionWeights || `{}`]",
    build=lambda old, given: {
        "FunctionVersion": old[0],
        "Description": old[1] or "",
        **({"RoutingConfig": {"AdditionalVersionWeights": old[2]}} if old[2] else {}),
    },
    delete="DeleteAlias",
    kind="new_id",
    caveats=("the alias' own policy, URL and provisioned concurrency are lost",),
)
_INVOKE = Setting(
    "lambda",
    "how function {} is invoked",
    "FunctionName Qualifier",
    "GetFunctionEventInvokeConfig",
    "PutFunctionEventInvokeConfig",
    "{MaximumRetryAttempts: MaximumRetryAttempts, MaximumEventAgeInSeconds: MaximumEventAgeInSeconds,"
    " DestinationConfig: DestinationConfig}",
    build=lambda old, given: filled(old),
    delete="DeleteFunctionEventInvokeConfig",
)
_URL = Setting(
    "lambda",
    "the URL of function {}",
    "FunctionName Qualifier",
    "GetFunctionUrlConfig",
    "UpdateFunctionUrlConfig",
    "{AuthType: AuthType, Cors: Cors, InvokeMode: InvokeMode}",
    build=lambda old, given: {**some(old, "AuthType InvokeMode"), "Cors": old.get("Cors") or {}},
    delete="DeleteFunctionUrlConfig",
)
_SIGNING = Setting(
    "lambda",
    "the code signing of function {}",
    "FunctionName",
    "GetFunctionCodeSigningConfig",
    "PutFunctionCodeSigningConfig",
    "CodeSigningConfigArn",
    "CodeSigningConfigArn",
    delete="DeleteFunctionCodeSigningConfig",
)
_MAPPING = Made("lambda", "", "DeleteEventSourceMapping", saves=(("UUID", "UUID"),))
_LAYER = Made(
    "lambda", "", "DeleteLayerVersion", (("LayerName", "LayerName"),), (("VersionNumber", "Version"),)
)
_TAGS = Tags(
    "lambda", "Resource", "ListTags", "Tags", "TagResource", "Tags", "UntagResource", "TagKeys", name=""
)
_LAYER_GONE = Final("a version of a layer that was deleted is gone; its number is not used again")
_RAN = Final("code that ran has done what it does")

ROWS: tuple[Row, ...] = (
    *rows_of("lambda", "CreateFunction", code.create, "full", "deleted"),
    *rows_of(
        "lambda",
        "UpdateFunctionCode",
        code.update_code,
        "full",
        "the old code is fetched first, and sent back",
    ),
    *rows_of(
        "lambda",
        "UpdateFunctionConfiguration",
        code.update_settings,
        "full",
        "members of the call are put as they were",
    ),
    *rows_of(
        "lambda",
        "DeleteFunction",
        code.delete,
        "new_id",
        "made again with code, settings, policy, tags, concurrency and URL; versions and aliases are lost",
    ),
    *rows_of("lambda", "PublishVersion", code.publish, "full", "the version is deleted"),
    *rows_of(
        "lambda",
        "PutFunctionConcurrency DeleteFunctionConcurrency",
        _CONCURRENCY.plan,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of(
        "lambda",
        "PutProvisionedConcurrencyConfig DeleteProvisionedConcurrencyConfig",
        _PROVISIONED.plan,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of(
        "lambda",
        "AddPermission RemovePermission",
        policy.permission,
        "full",
        "the statement is removed, or added again",
    ),
    *rows_of("lambda", "CreateAlias UpdateAlias", _ALIAS.plan, "full", "put as it was, or deleted"),
    *rows_of("lambda", "DeleteAlias", _ALIAS_AGAIN.plan, "new_id", "made again"),
    *rows_of("lambda", "CreateEventSourceMapping", _MAPPING.plan, "full", "deleted"),
    *rows_of("lambda", "UpdateEventSourceMapping", sources.update_mapping, "full", "put as it was"),
    *rows_of(
        "lambda", "DeleteEventSourceMapping", sources.delete_mapping, "new_id", "made again, with a new id"
    ),
    *rows_of(
        "lambda",
        "CreateFunctionUrlConfig UpdateFunctionUrlConfig",
        _URL.plan,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of(
        "lambda", "DeleteFunctionUrlConfig", sources.delete_url, "new_id", "made again, with another URL"
    ),
    *rows_of(
        "lambda",
        "PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig",
        _INVOKE.plan,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of(
        "lambda",
        "PutFunctionCodeSigningConfig DeleteFunctionCodeSigningConfig",
        _SIGNING.plan,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of("lambda", "PublishLayerVersion", _LAYER.plan, "full", "deleted"),
    *rows_of("lambda", "DeleteLayerVersion", _LAYER_GONE.plan, "none", "the version is gone"),
    *rows_of("lambda", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of("lambda", "Invoke InvokeAsync InvokeWithResponseStream", _RAN.plan, "none", "code has run"),
)
