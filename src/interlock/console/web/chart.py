"""Charts as SVG, made here: they need no script, and screen readers find a table in words beside them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from interlock.console.web.words import colour
from interlock.model.budget import share
from interlock.model.change import Activity
from interlock.model.signal import Trip

WIDTH, HEIGHT = 960, 140
_ORDER = ("good", "calm", "busy", "wait", "bad")


def timeline(activity: Sequence[Activity], since: datetime, window: timedelta, slices: int) -> Markup:
    """Changes over time, stacked by how they ended. Colours are the style sheet's (`.bar-good` and so on)."""
    stacks: list[dict[str, int]] = [{} for _ in range(slices)]
    for part in activity:
        if 0 <= part.slice < slices:
            stack = stacks[part.slice]
            stack[colour(part.state)] = stack.get(colour(part.state), 0) + part.changes
    top = max((sum(stack.values()) for stack in stacks), default=0)
    step = WIDTH / slices
    bars = Markup("").join(_bar(stack, place * step, step, top) for place, stack in enumerate(stacks))
    ticks = Markup("").join(_tick(since + window * part / 4) for part in range(5))
    label = f"{sum(sum(stack.values()) for stack in stacks):,} changes since {since:%Y-%m-%d %H:%M} UTC, {top:,} at most in one bar"
    drawn = Markup(
        '<svg class="timeline" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, label, bars)
    return drawn + Markup('<div class="ticks" aria-hidden="true">{}</div>').format(ticks)


def _bar(stack: dict[str, int], x: float, step: float, top: int) -> Markup:
    parts, y = Markup(""), float(HEIGHT)
    for kind in _ORDER:
        if number := stack.get(kind, 0):
            tall = max(2.0, (HEIGHT - 8) * number / top)
            y -= tall
            parts += Markup(
                '<rect class="bar-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1.5"/>'
            ).format(kind, x + 1, y, step - 2, tall)
    return parts


def _tick(at: datetime) -> Markup:
    """Beside the drawing, which is stretched to the screen: letters must not be."""
    return Markup('<time class="clock" datetime="{}">{:%H:%M}</time>').format(
        at.isoformat(timespec="seconds"), at
    )


def meter(value: int, limit: int, *, good: bool = False) -> Markup:
    """A part of a limit as a bar; the numbers stand beside it in words. What fills up is bad, unless it is `good`."""
    part = share(value, limit)
    kind = "good" if good or part < NEARLY else "wait" if part < 100 else "bad"
    return Markup(
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-track" width="100" height="8"/><rect class="bar-{}" width="{}" height="8"/></svg>'
    ).format(kind, min(100, max(part, 1 if value else 0)))


NEARLY = 80
"""From how many percents on a limit is nearly reached."""
LANES, LANE, EDGE, END = 8, 26, 12, 30
"""Most sessions that are drawn apart, how tall each is, what is left free before the first operation, and after the last."""
_BRIEF = timedelta(seconds=10)


def way_to(trip: Trip) -> Markup:
    """The operations that led to a trip on a time axis, one lane for each session, and then the breaker that opened. A table in
    words stands beside it."""
    steps = sorted(trip.steps, key=lambda step: step.at)
    begin = steps[0].at if steps else trip.at
    span = max(trip.at - begin, _BRIEF)
    begin = trip.at - span
    lanes = {name: min(n, LANES - 1) for n, name in enumerate(dict.fromkeys(step.session for step in steps))}
    tall = LANE * max(1, len(set(lanes.values())))

    def x(at: datetime) -> float:
        return EDGE + (WIDTH - EDGE - END) * max(0.0, min(1.0, (at - begin) / span))

    drawn = Markup("").join(
        Markup('<line class="step" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
            x(step.at), LANE * lanes[step.session] + 5, LANE * (lanes[step.session] + 1) - 5
        )
        for step in steps
    )
    drawn += Markup('<line class="opened" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(WIDTH - END / 2, tall)
    many = f"{len(steps)} operation{'' if len(steps) == 1 else 's'}"
    label = f"{many} within {lasting(span)}, then the breaker opened at {trip.at:%H:%M:%S} UTC"
    picture = Markup(
        '<svg class="way" viewBox="0 0 {} {}" height="{}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, tall, tall, label, drawn)
    ends = Markup("<span>{} before</span><span>it opened</span>").format(lasting(span))
    return picture + Markup('<div class="ticks" aria-hidden="true">{}</div>').format(ends)


def lasting(length: timedelta) -> str:
    """A length of time in one unit, rounded down."""
    seconds = max(0, int(length.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
