"""SQS, SNS and EventBridge."""

from interlock.connectors.aws.undo.data.messaging import events, sns, sqs
from interlock.connectors.aws.undo.registry import Row

ROWS: tuple[Row, ...] = (*sqs.ROWS, *sns.ROWS, *events.ROWS)
