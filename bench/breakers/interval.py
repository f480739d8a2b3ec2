"""How sure a share is: the exact 95 % interval of Clopper and Pearson (Biometrika 26, 1934), without a statistics library."""

from collections.abc import Callable
from math import exp, lgamma, log, log1p

_STEPS = 60


def interval(hits: int, trials: int, sure: float = 0.95) -> tuple[float, float]:
    """The lower and the upper bound of the share of hits."""
    if not 0 <= hits <= trials or trials < 1:
        raise ValueError(f"{hits} of {trials} is no share")
    tail = (1 - sure) / 2
    low = 0.0 if hits == 0 else _where(lambda p: 1 - _at_most(hits - 1, trials, p), tail, rising=True)
    high = 1.0 if hits == trials else _where(lambda p: _at_most(hits, trials, p), tail, rising=False)
    return low, high


def _where(share: Callable[[float], float], wanted: float, *, rising: bool) -> float:
    """Where a monotonous function of a probability has a value."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if (share(middle) < wanted) is rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_most(hits: int, trials: int, p: float) -> float:
    """The probability of so many hits or fewer."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return 1.0 if hits >= trials else 0.0
    whole = lgamma(trials + 1)
    return min(
        1.0,
        sum(
            exp(whole - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(p) + (trials - k) * log1p(-p))
            for k in range(hits + 1)
        ),
    )
