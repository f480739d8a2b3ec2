"""Who counts for which part of a quorum. One person counts for one part only, chosen so that it works whenever some choice works:
a largest matching between people and places, found by augmenting paths (H. W. Kuhn, "The Hungarian method", 1955)."""

from collections.abc import Collection, Mapping, Sequence

from interlock.model.base import Value


class Place(Value, frozen=True):
    """So many people, each of any of these groups."""

    count: int
    groups: tuple[str, ...]


def assign(people: Mapping[str, Collection[str]], places: Sequence[Place]) -> tuple[tuple[str, ...], ...]:
    """For each place the people who fill it; `people` are names with their groups. As many as possible are placed, those who come
    first before the others; nobody who has a place loses it to a later one."""
    filled: list[list[str]] = [[] for _ in places]

    def placed(name: str, tried: set[int]) -> bool:
        for number, place in enumerate(places):
            if number in tried or not set(place.groups).intersection(people[name]):
                continue
            tried.add(number)
            if len(filled[number]) < place.count:
                filled[number].append(name)
                return True
            for other in filled[number]:
                if placed(other, tried):
                    # The other has found a place elsewhere; this one is free now.
                    filled[number][filled[number].index(other)] = name
                    return True
        return False

    for name in people:
        placed(name, set())
    return tuple(tuple(names) for names in filled)
