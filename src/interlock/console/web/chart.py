"""Charts as SVG, made here: they need no script, and screen readers find a table in words beside them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from interlock.console.web.words import colour
from interlock.model.change import Activity

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
