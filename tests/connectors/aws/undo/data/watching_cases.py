"""Cases of CloudWatch Logs, CloudTrail and CloudWatch."""

from typing import Any

from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Case, Read

G = {"logGroupName": "app"}
GROUP = ("logs", "CreateLogGroup", {**G, "tags": {"team": "a"}})
NEIGHBOUR = ("logs", "CreateLogGroup", {"logGroupName": "app-2"})
STREAM = ("logs", "CreateLogStream", {**G, "logStreamName": "s"})
RETAIN = ("logs", "PutRetentionPolicy", {**G, "retentionInDays": 30})
GROUPS: Read = ("logs", "DescribeLogGroups", {}, "logGroups[].[logGroupName, retentionInDays, kmsKeyId]")
FILTER = {**G, "filterName": "f", "filterPattern": "ERROR"}
METRIC = {
    **FILTER,
    "metricTransformations": [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}],
}
METRICS = (
    "logs",
    "DescribeMetricFilters",
    G,
    "metricFilters[].[filterName, filterPattern, metricTransformations]",
)
PUT_METRIC = ("logs", "PutMetricFilter", METRIC)
STREAM_TARGET = ("kinesis", "CreateStream", {"StreamName": "k", "ShardCount": 1})
KINESIS = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/k"
SUBSCRIPTION = {**FILTER, "destinationArn": KINESIS, "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}
SUBSCRIPTIONS = (
    "logs",
    "DescribeSubscriptionFilters",
    G,
    "subscriptionFilters[].[filterName, filterPattern, destinationArn, roleArn]",
)
PUT_SUBSCRIPTION = ("logs", "PutSubscriptionFilter", SUBSCRIPTION)
POLICIES: Read = ("logs", "DescribeResourcePolicies", {}, "resourcePolicies[].[policyName, policyDocument]")
PUT_POLICY = ("logs", "PutResourcePolicy", {"policyName": "p", "policyDocument": '{"Statement": []}'})
G_TAGS = ("logs", "ListTagsLogGroup", G, "tags")
GROUP_ARN = {"resourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:app"}

LOGS = (
    Case(name="retain", given=(GROUP, NEIGHBOUR), call=RETAIN, state=(GROUPS,)),
    Case(
        name="retain for less",
        given=(GROUP, NEIGHBOUR, RETAIN),
        call=("logs", "PutRetentionPolicy", {**G, "retentionInDays": 1}),
        state=(GROUPS,),
    ),
    Case(
        name="retain for ever",
        given=(GROUP, RETAIN),
        call=("logs", "DeleteRetentionPolicy", G),
        state=(GROUPS,),
    ),
    Case(name="create log group", call=GROUP, state=(GROUPS,)),
    Case(
        name="delete log group",
        given=(GROUP, NEIGHBOUR, RETAIN),
        call=("logs", "DeleteLogGroup", G),
        state=(
            (
                "logs",
                "DescribeLogGroups",
                {},
                "sort_by(logGroups, &logGroupName)[].[logGroupName, retentionInDays]",
            ),
            G_TAGS,
        ),
    ),
    Case(
        name="create stream",
        given=(GROUP,),
        call=STREAM,
        state=(("logs", "DescribeLogStreams", G, "logStreams[].logStreamName"),),
    ),
    Case(name="metric filter", given=(GROUP,), call=PUT_METRIC, state=(METRICS,)),
    Case(
        name="delete metric filter",
        given=(GROUP, PUT_METRIC),
        call=("logs", "DeleteMetricFilter", {**G, "filterName": "f"}),
        state=(METRICS,),
    ),
    Case(
        name="subscription filter",
        given=(GROUP, STREAM_TARGET),
        call=PUT_SUBSCRIPTION,
        state=(SUBSCRIPTIONS,),
    ),
    Case(
        name="subscription filter over",
        given=(GROUP, STREAM_TARGET, PUT_SUBSCRIPTION),
        call=("logs", "PutSubscriptionFilter", {**SUBSCRIPTION, "filterPattern": "x"}),
        state=(SUBSCRIPTIONS,),
    ),
    Case(
        name="delete subscription filter",
        given=(GROUP, STREAM_TARGET, PUT_SUBSCRIPTION),
        call=("logs", "DeleteSubscriptionFilter", {**G, "filterName": "f"}),
        state=(SUBSCRIPTIONS,),
    ),
    Case(name="log policy", call=PUT_POLICY, state=(POLICIES,)),
    Case(
        name="delete log policy",
        given=(PUT_POLICY,),
        call=("logs", "DeleteResourcePolicy", {"policyName": "p"}),
        state=(POLICIES,),
    ),
    Case(
        name="tag group",
        given=(GROUP,),
        call=("logs", "TagLogGroup", {**G, "tags": {"team": "x", "n": "y"}}),
        state=(G_TAGS,),
    ),
    Case(
        name="untag group",
        given=(GROUP,),
        call=("logs", "UntagLogGroup", {**G, "tags": ["team"]}),
        state=(G_TAGS,),
    ),
    Case(
        name="tag group by arn",
        given=(GROUP,),
        call=("logs", "TagResource", {**GROUP_ARN, "tags": {"team": "x"}}),
        state=(G_TAGS,),
    ),
    Case(
        name="untag group by arn",
        given=(GROUP,),
        call=("logs", "UntagResource", {**GROUP_ARN, "tagKeys": ["team"]}),
        state=(G_TAGS,),
    ),
)

N = {"Name": "trail"}
TRAIL_ARN = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/trail"


def bucket(name: str) -> tuple[str, str, dict[str, Any]]:
    return (
        "s3",
        "CreateBucket",
        {"Bucket": name, "CreateBucketConfiguration": {"LocationConstraint": REGION}},
    )


TRAIL = (
    "cloudtrail",
    "CreateTrail",
    {
        **N,
        "S3BucketName": "logs-a",
        "S3KeyPrefix": "p",
        "IsMultiRegionTrail": True,
        "TagsList": [{"Key": "a", "Value": "b"}],
    },
)
TRAILS = (bucket("logs-a"), bucket("logs-b"), TRAIL)
START = ("cloudtrail", "StartLogging", N)
TR_STATE = (
    "cloudtrail",
    "GetTrail",
    N,
    "Trail.[Name, S3BucketName, S3KeyPrefix, IsMultiRegionTrail, LogFileValidationEnabled]",
)
TR_STATUS = ("cloudtrail", "GetTrailStatus", N, "IsLogging")
TR_TAGS = ("cloudtrail", "ListTags", {"ResourceIdList": [TRAIL_ARN]}, "ResourceTagList[].TagsList[]")
SELECTORS = (
    "cloudtrail",
    "GetEventSelectors",
    {"TrailName": "trail"},
    "[EventSelectors, AdvancedEventSelectors]",
)
INSIGHTS = ("cloudtrail", "GetInsightSelectors", {"TrailName": "trail"}, "InsightSelectors")
SELECT = (
    "cloudtrail",
    "PutEventSelectors",
    {
        "TrailName": "trail",
        "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}],
    },
)
INSIGHT = (
    "cloudtrail",
    "PutInsightSelectors",
    {"TrailName": "trail", "InsightSelectors": [{"InsightType": "ApiCallRateInsight"}]},
)
TAG = {"ResourceId": TRAIL_ARN, "TagsList": [{"Key": "n", "Value": "y"}]}

CLOUDTRAIL = (
    Case(
        name="stop logging", given=(*TRAILS, START), call=("cloudtrail", "StopLogging", N), state=(TR_STATUS,)
    ),
    Case(name="start logging", given=TRAILS, call=START, state=(TR_STATUS,)),
    Case(
        name="update trail",
        given=(*TRAILS, START),
        call=("cloudtrail", "UpdateTrail", {**N, "S3BucketName": "logs-b", "IsMultiRegionTrail": False}),
        state=(TR_STATE, TR_STATUS),
    ),
    Case(name="create trail", given=TRAILS[:2], call=TRAIL, state=(TR_STATE,)),
    Case(
        name="delete trail",
        given=(*TRAILS, START, SELECT, INSIGHT),
        call=("cloudtrail", "DeleteTrail", N),
        state=(TR_STATE, TR_STATUS, SELECTORS, INSIGHTS, TR_TAGS),
    ),
    Case(
        name="select less",
        given=(*TRAILS, SELECT),
        call=(
            "cloudtrail",
            "PutEventSelectors",
            {
                "TrailName": "trail",
                "EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": False}],
            },
        ),
        state=(SELECTORS,),
    ),
    Case(name="tag trail", given=TRAILS, call=("cloudtrail", "AddTags", TAG), state=(TR_TAGS,)),
    Case(
        name="untag trail",
        given=(*TRAILS, ("cloudtrail", "AddTags", TAG)),
        call=("cloudtrail", "RemoveTags", TAG),
        state=(TR_TAGS,),
    ),
)


def alarm(name: str, **more: Any) -> dict[str, Any]:
    usual = {
        "AlarmName": name,
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/EC2",
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 2,
        "Threshold": 80.5,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [f"arn:aws:sns:{REGION}:{ACCOUNT}:t"],
        "Dimensions": [{"Name": "InstanceId", "Value": "i-1"}],
    }
    return {**usual, **more}


ALARM = ("cloudwatch", "PutMetricAlarm", {**alarm("a"), "Tags": [{"Key": "a", "Value": "b"}]})
SILENT = ("cloudwatch", "PutMetricAlarm", alarm("b", ActionsEnabled=False))
ALARM_ARN = {"ResourceARN": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a"}
ALARMS = (
    "cloudwatch",
    "DescribeAlarms",
    {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
    "[sort_by(MetricAlarms, &AlarmName)[].[AlarmName, MetricName, Namespace, Statistic, Period, EvaluationPeriods, Threshold,"
    " ComparisonOperator, AlarmActions, Dimensions, ActionsEnabled], CompositeAlarms[].[AlarmName, AlarmRule, ActionsEnabled]]",
)
A_TAGS = ("cloudwatch", "ListTagsForResource", ALARM_ARN, "sort_by(Tags, &Key)")
STATES: Read = ("cloudwatch", "DescribeAlarms", {}, "MetricAlarms[].StateValue")
BOARD = ("cloudwatch", "PutDashboard", {"DashboardName": "d", "DashboardBody": '{"widgets": []}'})
BOARD_STATE = ("cloudwatch", "GetDashboard", {"DashboardName": "d"}, "DashboardBody")

CLOUDWATCH = (
    Case(name="put alarm", call=ALARM, state=(ALARMS,)),
    Case(
        name="put alarm over",
        given=(ALARM,),
        call=("cloudwatch", "PutMetricAlarm", alarm("a", Threshold=99.0, AlarmActions=[])),
        state=(ALARMS,),
    ),
    Case(
        name="delete alarms",
        given=(ALARM, SILENT),
        call=("cloudwatch", "DeleteAlarms", {"AlarmNames": ["a", "b", "nothing"]}),
        state=(ALARMS, A_TAGS),
    ),
    Case(
        name="disable actions",
        given=(ALARM, SILENT),
        call=("cloudwatch", "DisableAlarmActions", {"AlarmNames": ["a", "b"]}),
        state=(ALARMS,),
    ),
    Case(
        name="enable actions",
        given=(ALARM, SILENT),
        call=("cloudwatch", "EnableAlarmActions", {"AlarmNames": ["a", "b"]}),
        state=(ALARMS,),
    ),
    Case(
        name="set alarm state",
        given=(ALARM,),
        call=("cloudwatch", "SetAlarmState", {"AlarmName": "a", "StateValue": "ALARM", "StateReason": "x"}),
        state=(STATES,),
    ),
    Case(name="put dashboard", call=BOARD, state=(BOARD_STATE,)),
    Case(
        name="put dashboard over",
        given=(BOARD,),
        call=("cloudwatch", "PutDashboard", {"DashboardName": "d", "DashboardBody": '{"widgets": [1]}'}),
        state=(BOARD_STATE,),
    ),
    Case(
        name="delete dashboards",
        given=(BOARD,),
        call=("cloudwatch", "DeleteDashboards", {"DashboardNames": ["d"]}),
        state=(BOARD_STATE,),
    ),
    Case(
        name="tag alarm",
        given=(ALARM,),
        call=(
            "cloudwatch",
            "TagResource",
            {**ALARM_ARN, "Tags": [{"Key": "a", "Value": "x"}, {"Key": "n", "Value": "y"}]},
        ),
        state=(A_TAGS,),
    ),
    Case(
        name="untag alarm",
        given=(ALARM,),
        call=("cloudwatch", "UntagResource", {**ALARM_ARN, "TagKeys": ["a"]}),
        state=(A_TAGS,),
    ),
)

CASES = (*LOGS, *CLOUDTRAIL, *CLOUDWATCH)
