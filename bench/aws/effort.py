"""How much is done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """``seconds`` for each timed run and ``repeats`` of each; bytes of the large object; resources of the stack; objects in the
    bucket, and how many of them one call deletes."""

    seconds: float = 4
    repeats: int = 5
    large: int = 1 << 30
    resources: int = 100
    objects: int = 10_000
    batch: int = 1_000


QUICK = Effort(seconds=1, repeats=2, large=64 << 20, resources=10, objects=100, batch=50)
