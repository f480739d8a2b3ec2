"""Units that the gateway runs by itself: an approved change applied from its record, and a revert."""


async def apply_unit(*a, **k):
    raise NotImplementedError


async def revert_unit(*a, **k):
    raise NotImplementedError
