"""`interlock demo`: the main job on a real database, end to end, each step asserted.

`stage` builds what is needed (PostgreSQL, the shop, a server of Interlock's, people, agents); `steps` are the story; `show`
prints it.
"""

from interlock.cli.demo.run import run

__all__ = ["run"]
