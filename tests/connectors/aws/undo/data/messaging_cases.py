"""Cases of SQS, SNS and EventBridge."""

from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Case, Read

POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Sid": "%s", "Effect": "Allow", "Principal": {"AWS": "%s"},'
    ' "Action": "%s", "Resource": "%s"}]}'
)
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
Q = {"QueueUrl": "${q}"}
MAKE_Q = (
    "sqs",
    "CreateQueue",
    {
        "QueueName": "q",
        "Attributes": {
            "VisibilityTimeout": "77",
            "Policy": POLICY % ("old", ACCOUNT, "sqs:SendMessage", QUEUE_ARN),
            "MessageRetentionPeriod": "1000",
        },
        "tags": {"team": "a", "env": "${prod}"},
    },
    {"q": "QueueUrl"},
)
SEND = ("sqs", "SendMessage", {**Q, "MessageBody": "hello"})
FIFO = ("sqs", "CreateQueue", {"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}}, {"q": "QueueUrl"})
LIST_Q: Read = ("sqs", "ListQueues", {}, "QueueUrls")
KEPT = "VisibilityTimeout, Policy, MessageRetentionPeriod, FifoQueue, RedrivePolicy, DelaySeconds, MaximumMessageSize"
ATTRIBUTES = (
    "sqs",
    "GetQueueAttributes",
    {"QueueUrl": "http://localhost/q", "AttributeNames": ["All"]},
    f"Attributes.[{KEPT}]",
)
FIFO_ATTRIBUTES = (
    "sqs",
    "GetQueueAttributes",
    {"QueueUrl": "http://localhost/q.fifo", "AttributeNames": ["All"]},
    f"Attributes.[{KEPT}]",
)
MESSAGES = (
    "sqs",
    "GetQueueAttributes",
    {"QueueUrl": "http://localhost/q", "AttributeNames": ["All"]},
    "Attributes.ApproximateNumberOfMessages",
)
TAGS_Q = ("sqs", "ListQueueTags", {"QueueUrl": "http://localhost/q"}, "Tags")
HIDDEN = (
    *MESSAGES[:3],
    "Attributes.[ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible]",
)
RECEIVE = ("sqs", "ReceiveMessage", {**Q, "VisibilityTimeout": 600}, {"handle": "Messages[0].ReceiptHandle"})
LONGER = {"ReceiptHandle": "${handle}", "VisibilityTimeout": 1_000}

SQS = (
    Case(
        name="receive",
        given=(MAKE_Q, SEND, SEND),
        call=("sqs", "ReceiveMessage", {**Q, "MaxNumberOfMessages": 10}),
        state=(HIDDEN,),
    ),
    Case(
        name="receive nothing",
        given=(MAKE_Q,),
        call=("sqs", "ReceiveMessage", Q),
        state=(HIDDEN,),
        changes=False,
    ),
    Case(
        name="hide for longer",
        kind="new_id",
        given=(MAKE_Q, SEND, RECEIVE),
        call=("sqs", "ChangeMessageVisibility", {**Q, **LONGER}),
        state=(HIDDEN,),
        differs=(0,),
        changes=False,
    ),
    Case(
        name="hide some for longer",
        kind="new_id",
        given=(MAKE_Q, SEND, RECEIVE),
        call=("sqs", "ChangeMessageVisibilityBatch", {**Q, "Entries": [{"Id": "a", **LONGER}]}),
        state=(HIDDEN,),
        differs=(0,),
        changes=False,
    ),
    Case(name="create queue", call=MAKE_Q[:3], state=(LIST_Q,)),
    Case(
        name="create queue again", given=(MAKE_Q,), call=MAKE_Q[:3], state=(LIST_Q, ATTRIBUTES), changes=False
    ),
    Case(
        name="delete queue",
        given=(MAKE_Q,),
        call=("sqs", "DeleteQueue", Q),
        state=(LIST_Q, ATTRIBUTES, TAGS_Q),
    ),
    Case(
        name="delete queue with messages",
        kind="new_id",
        given=(MAKE_Q, SEND),
        call=("sqs", "DeleteQueue", Q),
        state=(LIST_Q, ATTRIBUTES, TAGS_Q, MESSAGES),
        differs=(3,),
    ),
    Case(
        name="delete fifo queue",
        given=(FIFO,),
        call=("sqs", "DeleteQueue", Q),
        state=(LIST_Q, FIFO_ATTRIBUTES),
    ),
    Case(
        name="set queue attributes",
        given=(MAKE_Q,),
        call=(
            "sqs",
            "SetQueueAttributes",
            {
                **Q,
                "Attributes": {
                    "VisibilityTimeout": "1",
                    "MessageRetentionPeriod": "60",
                    "Policy": POLICY % ("new", "*", "sqs:SendMessage", QUEUE_ARN),
                },
            },
        ),
        state=(ATTRIBUTES,),
    ),
    Case(
        name="set a policy where there was none",
        given=(("sqs", "CreateQueue", {"QueueName": "q"}, {"q": "QueueUrl"}),),
        call=(
            "sqs",
            "SetQueueAttributes",
            {**Q, "Attributes": {"Policy": POLICY % ("new", "*", "sqs:SendMessage", QUEUE_ARN)}},
        ),
        state=(ATTRIBUTES,),
    ),
    Case(
        name="add permission",
        given=(MAKE_Q,),
        call=(
            "sqs",
            "AddPermission",
            {**Q, "Label": "all", "AWSAccountIds": [ACCOUNT], "Actions": ["SendMessage"]},
        ),
        state=(ATTRIBUTES,),
    ),
    Case(
        name="remove permission",
        given=(
            MAKE_Q,
            (
                "sqs",
                "AddPermission",
                {**Q, "Label": "all", "AWSAccountIds": [ACCOUNT], "Actions": ["SendMessage"]},
            ),
        ),
        call=("sqs", "RemovePermission", {**Q, "Label": "all"}),
        state=(ATTRIBUTES,),
    ),
    Case(
        name="tag queue",
        given=(MAKE_Q,),
        call=("sqs", "TagQueue", {**Q, "Tags": {"env": "x", "new": "y"}}),
        state=(TAGS_Q,),
    ),
    Case(
        name="untag queue",
        given=(MAKE_Q,),
        call=("sqs", "UntagQueue", {**Q, "TagKeys": ["env"]}),
        state=(TAGS_Q,),
    ),
)

MAKE_T = (
    "sns",
    "CreateTopic",
    {"Name": "t", "Attributes": {"DisplayName": "Tee"}, "Tags": [{"Key": "team", "Value": "a"}]},
)
SUBSCRIBE = (
    "sns",
    "Subscribe",
    {
        "TopicArn": TOPIC,
        "Protocol": "sqs",
        "Endpoint": QUEUE_ARN,
        "Attributes": {"RawMessageDelivery": "true"},
    },
    {"s": "SubscriptionArn"},
)
MAIL = (
    "sns",
    "Subscribe",
    {"TopicArn": TOPIC, "Protocol": "email", "Endpoint": "a@example.com"},
    {"m": "SubscriptionArn"},
)
T_STATE = (
    "sns",
    "GetTopicAttributes",
    {"TopicArn": TOPIC},
    "Attributes.[DisplayName, Policy, SubscriptionsConfirmed]",
)
T_TAGS = ("sns", "ListTagsForResource", {"ResourceArn": TOPIC}, "sort_by(Tags, &Key)")
SUBSCRIPTIONS = (
    "sns",
    "ListSubscriptionsByTopic",
    {"TopicArn": TOPIC},
    "Subscriptions[].[Protocol, Endpoint]",
)
S_STATE = (
    "sns",
    "GetSubscriptionAttributes",
    {"SubscriptionArn": "${s}"},
    "Attributes.[RawMessageDelivery, FilterPolicy]",
)
GRANT = {"TopicArn": TOPIC, "Label": "all", "AWSAccountId": [ACCOUNT], "ActionName": ["Publish"]}

SNS = (
    Case(name="create topic", call=MAKE_T, state=(("sns", "ListTopics", {}, "Topics"),)),
    Case(
        name="delete topic",
        kind="new_id",
        given=(MAKE_Q, MAKE_T, SUBSCRIBE, MAIL),
        call=("sns", "DeleteTopic", {"TopicArn": TOPIC}),
        state=(T_STATE, T_TAGS, SUBSCRIPTIONS),
    ),
    Case(
        name="delete lonely topic",
        given=(MAKE_T,),
        call=("sns", "DeleteTopic", {"TopicArn": TOPIC}),
        state=(T_STATE, T_TAGS),
    ),
    Case(name="subscribe", given=(MAKE_Q, MAKE_T), call=SUBSCRIBE[:3], state=(SUBSCRIPTIONS,)),
    Case(name="subscribe by mail", kind="new_id", given=(MAKE_T,), call=MAIL[:3], state=(SUBSCRIPTIONS,)),
    Case(
        name="unsubscribe",
        kind="new_id",
        given=(MAKE_Q, MAKE_T, SUBSCRIBE),
        call=("sns", "Unsubscribe", {"SubscriptionArn": "${s}"}),
        state=(SUBSCRIPTIONS,),
    ),
    Case(
        name="set topic attribute",
        given=(MAKE_T,),
        call=(
            "sns",
            "SetTopicAttributes",
            {"TopicArn": TOPIC, "AttributeName": "DisplayName", "AttributeValue": "x"},
        ),
        state=(T_STATE,),
    ),
    Case(
        name="set topic policy",
        given=(MAKE_T,),
        call=(
            "sns",
            "SetTopicAttributes",
            {
                "TopicArn": TOPIC,
                "AttributeName": "Policy",
                "AttributeValue": POLICY % ("new", "*", "SNS:Publish", TOPIC),
            },
        ),
        state=(T_STATE,),
    ),
    Case(
        name="set subscription attribute",
        given=(MAKE_Q, MAKE_T, SUBSCRIBE),
        call=(
            "sns",
            "SetSubscriptionAttributes",
            {"SubscriptionArn": "${s}", "AttributeName": "RawMessageDelivery", "AttributeValue": "false"},
        ),
        state=(S_STATE,),
    ),
    Case(
        name="add topic permission", given=(MAKE_T,), call=("sns", "AddPermission", GRANT), state=(T_STATE,)
    ),
    Case(
        name="remove topic permission",
        given=(MAKE_T, ("sns", "AddPermission", GRANT)),
        call=("sns", "RemovePermission", {"TopicArn": TOPIC, "Label": "all"}),
        state=(T_STATE,),
    ),
    Case(
        name="tag topic",
        given=(MAKE_T,),
        call=(
            "sns",
            "TagResource",
            {"ResourceArn": TOPIC, "Tags": [{"Key": "team", "Value": "x"}, {"Key": "n", "Value": "y"}]},
        ),
        state=(T_TAGS,),
    ),
    Case(
        name="untag topic",
        given=(MAKE_T,),
        call=("sns", "UntagResource", {"ResourceArn": TOPIC, "TagKeys": ["team"]}),
        state=(T_TAGS,),
    ),
)

RULE = ("events", "PutRule", {"Name": "r", "ScheduleExpression": "rate(1 day)", "Description": "nightly"})
RULE_ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
TARGETS = {"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE_ARN, "Input": '{"x": "${y}"}'}]}
PUT_TARGETS = ("events", "PutTargets", TARGETS)
R_STATE = (
    "events",
    "DescribeRule",
    {"Name": "r"},
    "[Name, ScheduleExpression, EventPattern, State, Description]",
)
R_TAGS = ("events", "ListTagsForResource", {"ResourceARN": RULE_ARN}, "sort_by(Tags, &Key)")
TARGETS_STATE = ("events", "ListTargetsByRule", {"Rule": "r"}, "sort_by(Targets, &Id)")
BUS = ("events", "CreateEventBus", {"Name": "bus"})
ALLOW = {"EventBusName": "bus", "Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "s"}
BUS_STATE = ("events", "DescribeEventBus", {"Name": "bus"}, "[Name, Policy]")
ARCHIVE = (
    "events",
    "CreateArchive",
    {
        "ArchiveName": "ar",
        "EventSourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        "RetentionDays": 9,
        "Description": "d",
    },
)
ARCHIVE_STATE = (
    "events",
    "DescribeArchive",
    {"ArchiveName": "ar"},
    "[ArchiveName, RetentionDays, Description, EventPattern]",
)

EVENTS = (
    Case(name="put rule", call=RULE, state=(R_STATE,)),
    Case(
        name="put rule over",
        given=(RULE,),
        call=(
            "events",
            "PutRule",
            {"Name": "r", "EventPattern": '{"source": ["a"]}', "ScheduleExpression": "rate(2 days)"},
        ),
        state=(R_STATE,),
    ),
    Case(name="disable rule", given=(RULE,), call=("events", "DisableRule", {"Name": "r"}), state=(R_STATE,)),
    Case(
        name="enable rule",
        given=(RULE, ("events", "DisableRule", {"Name": "r"})),
        call=("events", "EnableRule", {"Name": "r"}),
        state=(R_STATE,),
    ),
    Case(
        name="delete rule",
        given=(("events", "PutRule", {**RULE[2], "Tags": [{"Key": "a", "Value": "b"}]}),),
        call=("events", "DeleteRule", {"Name": "r"}),
        state=(R_STATE, R_TAGS),
    ),
    Case(name="put targets", given=(RULE,), call=PUT_TARGETS, state=(TARGETS_STATE,)),
    Case(
        name="put targets over",
        given=(RULE, PUT_TARGETS),
        call=(
            "events",
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE_ARN + "x"}, {"Id": "2", "Arn": QUEUE_ARN}]},
        ),
        state=(TARGETS_STATE,),
    ),
    Case(
        name="remove targets",
        given=(RULE, PUT_TARGETS),
        call=("events", "RemoveTargets", {"Rule": "r", "Ids": ["1"]}),
        state=(TARGETS_STATE,),
    ),
    Case(name="create bus", call=BUS, state=(BUS_STATE,)),
    Case(
        name="delete bus",
        given=(BUS, ("events", "PutPermission", ALLOW)),
        call=("events", "DeleteEventBus", {"Name": "bus"}),
        state=(BUS_STATE,),
    ),
    Case(name="put permission", given=(BUS,), call=("events", "PutPermission", ALLOW), state=(BUS_STATE,)),
    Case(
        name="remove permission from bus",
        given=(BUS, ("events", "PutPermission", ALLOW)),
        call=("events", "RemovePermission", {"EventBusName": "bus", "StatementId": "s"}),
        state=(BUS_STATE,),
    ),
    Case(name="archive", call=ARCHIVE, state=(ARCHIVE_STATE,)),
    Case(
        name="archive for less",
        given=(ARCHIVE,),
        call=("events", "UpdateArchive", {"ArchiveName": "ar", "RetentionDays": 1}),
        state=(ARCHIVE_STATE,),
    ),
    Case(
        name="tag rule",
        given=(RULE,),
        call=("events", "TagResource", {"ResourceARN": RULE_ARN, "Tags": [{"Key": "n", "Value": "y"}]}),
        state=(R_TAGS,),
    ),
    Case(
        name="untag rule",
        given=(
            RULE,
            ("events", "TagResource", {"ResourceARN": RULE_ARN, "Tags": [{"Key": "n", "Value": "y"}]}),
        ),
        call=("events", "UntagResource", {"ResourceARN": RULE_ARN, "TagKeys": ["n"]}),
        state=(R_TAGS,),
    ),
)

CASES = (*SQS, *SNS, *EVENTS)
