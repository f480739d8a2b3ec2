"""From where on a signal opens a breaker."""

from collections.abc import Mapping
from datetime import timedelta

from interlock.model.base import Value
from interlock.model.errors import Misconfigured

MINUTE, TEN_MINUTES, HOUR, DAY = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(days=1),
)

Most = int | None
"""More than that many trip; None never does."""


class Thresholds(Value, frozen=True, omit_defaults=False):
    """Numbers of one agent in one environment. Those that end a sentence with "at most" trip when they are exceeded; `failures`,
    `errors`, `recreated` and the two of the trips when they are reached. Shares are whole percents. Raises Misconfigured."""

    destructive_minute: Most = 3
    destructive_ten_minutes: Most = 5
    destructive_day: Most = 20
    group_share: Most = 30
    group_floor: int = 10
    last_member: bool = True
    sweeping: bool = True
    groups_deleted_hour: Most = 3
    groups_written_ten_minutes: Most = 5
    novel: Most = 3
    failures: Most = 4
    errors: Most = 60
    errors_of: int = 10
    recreated: Most = 2
    recreated_stateful: Most = 1
    guard: bool = True
    sessions_tripped: Most = 3
    agents_tripped: Most = 2

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (isinstance(value, bool) or value is None or (type(value) is int and 0 <= value <= _MOST)):
                raise Misconfigured(f"breakers: {name} must be a whole number of 0 or more, not {value!r}")
        for name in ("group_floor", "errors_of"):
            if getattr(self, name) is None:
                raise Misconfigured(f"breakers: {name} cannot be off")
        if not 2 <= self.errors_of <= MOST_OUTCOMES:
            raise Misconfigured(f"breakers: errors_of must be from 2 to {MOST_OUTCOMES}")
        if self.failures is not None and not 2 <= self.failures <= MOST_OUTCOMES:
            raise Misconfigured(f"breakers: failures must be from 2 to {MOST_OUTCOMES}, or off")


_MOST = 1 << 31
MOST_OUTCOMES = 32
"""Most ends of units that are remembered of an agent."""

SHIPPED = Thresholds()


class Signals(Value, frozen=True):
    """The thresholds of an installation. `environments` are those of environments that differ (None: no signals there), `agents` of
    agents in an environment, by `ENVIRONMENT/AGENT`. `quorum` is whose approval a first destruction of its kind needs; empty when
    nobody's is asked for."""

    quorum: str = ""
    environments: Mapping[str, Thresholds | None] = {}  # msgspec copies mutable defaults
    agents: Mapping[str, Thresholds | None] = {}
    usual: Thresholds = SHIPPED

    def of(self, environment: str, agent: str) -> Thresholds | None:
        """What holds for an agent in an environment; None when nothing does."""
        both = f"{environment}/{agent}"
        if both in self.agents:
            return self.agents[both]
        return self.environments.get(environment, self.usual)
