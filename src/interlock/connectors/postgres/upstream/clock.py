"""This machine's clock. Records and decisions use the store's; `doctor` compares the two machines'."""

import time


def wall_clock() -> float:
    """Seconds since 1970."""
    return time.time()
