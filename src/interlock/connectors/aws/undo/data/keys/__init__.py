"""Keys, secrets and parameters."""

from interlock.connectors.aws.undo.data.keys import kms, parameters, secrets
from interlock.connectors.aws.undo.registry import Row

ROWS: tuple[Row, ...] = (*kms.ROWS, *secrets.ROWS, *parameters.ROWS)
