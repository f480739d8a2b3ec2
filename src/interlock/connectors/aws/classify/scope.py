"""What classification knows of the target."""

from interlock.connectors.aws.classify.groups import GroupRule
from interlock.connectors.aws.verbs.conditions import Known
from interlock.model.base import Value

GUARD_TAGS = ("env", "environment", "stage", "protection", "protected", "critical", "backup")
"""Tag keys (lower case) that guards of others usually rely on: backup plans, clean-up jobs, conditions in policies."""


class Scope(Value, frozen=True):
    """From the target's configuration. `own_accounts` are account ids that aren't foreign; the target's own needn't be among them.
    `region` is the target's default; a call says its own."""

    environment: str
    account: str
    partition: str = "aws"
    region: str = ""
    own_accounts: tuple[str, ...] = ()
    groups: tuple[GroupRule, ...] = ()

    @property
    def known(self) -> Known:
        """What conditions of the reviewed tables may ask."""
        keys = {key.lower() for rule in self.groups for key in rule.tags}
        return Known(frozenset((self.account, *self.own_accounts)) - {""}, frozenset((*GUARD_TAGS, *keys)))
