"""`interlock demo --aws`: the incident that this project answers, on moto: an agent deletes an environment and makes it again."""

from interlock.cli.demo.aws.run import run

__all__ = ["run"]
