"""Rows of EC2."""

from interlock.connectors.aws.undo.estate.ec2 import disks, groups, instances, networks, others, routes

ROWS = (*instances.ROWS, *groups.ROWS, *routes.ROWS, *disks.ROWS, *networks.ROWS, *others.ROWS)
