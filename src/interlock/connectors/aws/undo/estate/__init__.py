"""Rows of compute, identity, network, stacks and databases."""

from interlock.connectors.aws.undo.estate import capacity, databases, ec2, identity, others, stacks, traffic

ROWS = (*ec2.ROWS, *identity.ROWS, *databases.ROWS, *traffic.ROWS, *capacity.ROWS, *stacks.ROWS, *others.ROWS)
