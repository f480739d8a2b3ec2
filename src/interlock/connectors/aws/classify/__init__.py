"""Says what a call is: action, resources, and whether it is quietly dangerous."""

from interlock.connectors.aws.classify.engine import classify, rules_for
from interlock.connectors.aws.classify.groups import GroupRule, group_of
from interlock.connectors.aws.classify.scope import Scope
from interlock.connectors.aws.classify.statements import carries, with_statements

__all__ = ["GroupRule", "Scope", "carries", "classify", "group_of", "rules_for", "with_statements"]
