"""What an agent's session did lately, so that a delete and a create of the same thing are seen as the replacement that they are.

The incident behind this project was a delete and a create of one environment, each of which looks like an ordinary call.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import structs

from interlock.model.base import Value

_IDS = (
    # Ids that the service makes up, different each time the same thing is made.
    (re.compile(r"(:cloudformation:[^:]*:[^:]*:(?:stack|changeSet)/[^/]+)(?:/.*)?$"), r"\1"),
    (re.compile(r"(:secretsmanager:[^:]*:[^:]*:secret:.+)-[A-Za-z0-9*?]{1,6}$"), r"\1"),
    (re.compile(r"(:elasticloadbalancing:.*/(?:app|net|gwy)/[^/]+)/[^/]*$"), r"\1"),
    (re.compile(r"(:elasticloadbalancing:[^:]*:[^:]*:targetgroup/[^/]+)/[^/]*$"), r"\1"),
    (re.compile(r"(:autoscaling:[^:]*:[^:]*:\w+):[^:]*:(.+)$"), r"\1::\2"),
    (re.compile(r"(:logs:[^:]*:[^:]*:log-group:[^:]+):\*$"), r"\1"),
)


def identity(name: str) -> str:
    """The name by which two things that follow each other are the same: an ARN without the ids that the service makes up."""
    for pattern, kept in _IDS:
        name, changed = pattern.subn(kept, name)
        if changed:
            break
    return name


class Seen(Value, frozen=True):
    """What a session deleted and created: resource name (an ARN) → id of the change, or empty. A delete that still waits for people
    counts as well. `times` is when; the caller passes the time in and decides what "lately" is. `now` is the present time where the
    caller knows it: without it, whatever expires at some time counts as expired."""

    deleted: Mapping[str, str] = {}
    created: Mapping[str, str] = {}
    times: Mapping[str, datetime] = {}
    now: datetime | None = None

    def with_deleted(self, names: Iterable[str], change: str, at: datetime) -> "Seen":
        names = tuple(identity(name) for name in names)
        return structs.replace(
            self,
            deleted={**self.deleted, **dict.fromkeys(names, change)},
            times={**self.times, **dict.fromkeys(names, at)},
        )

    def with_created(self, names: Iterable[str], change: str, at: datetime) -> "Seen":
        names = tuple(identity(name) for name in names)
        return structs.replace(
            self,
            created={**self.created, **dict.fromkeys(names, change)},
            times={**self.times, **dict.fromkeys(names, at)},
        )

    def since(self, moment: datetime) -> "Seen":
        """Without what is older. What has no time stays: doubt means no."""
        old = {name for name, at in self.times.items() if at < moment}
        return structs.replace(
            self,
            deleted={name: by for name, by in self.deleted.items() if identity(name) not in old},
            created={name: by for name, by in self.created.items() if identity(name) not in old},
            times={name: at for name, at in self.times.items() if name not in old},
        )

    def deletion_of(self, name: str) -> str | None:
        """The change ("" if it has no id) that deleted what would now be made; None when nothing did."""
        return _lookup(self.deleted, name)

    def creation_of(self, name: str) -> str | None:
        return _lookup(self.created, name)


def _lookup(known: Mapping[str, str], name: str) -> str | None:
    wanted = identity(name)
    return next((change for other, change in known.items() if identity(other) == wanted), None)
