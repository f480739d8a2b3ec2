"""Asks a target's roles what `doctor` wants to know."""


async def examine(live):
    return []
