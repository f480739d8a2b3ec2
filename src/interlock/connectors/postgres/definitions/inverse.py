"""From what objects were and what they are to the statements that make them what they were.

The order among statements is left to trial (`undo.definitions`): those that fail are tried again after the others. After all are
done, what is there is looked at and the inverse taken again, until nothing differs: so a table is first made with its columns, and
gets its owner, rights, defaults and comments when it is there to be compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres.definitions import facet as f
from interlock.connectors.postgres.definitions import kinds, parts, tables
from interlock.connectors.postgres.definitions.common import Step, renames
from interlock.connectors.postgres.definitions.facet import Address, Facet, alike

_STRUCTURE = frozenset(
    {f.SCHEMA, f.TYPE, f.FUNCTION, f.CAST, f.COLLATION, f.OPERATOR, f.TS_DICT, f.TS_CONFIG}
)


@dataclass(slots=True)
class Inverse:
    """`names` give old names back, `structure` makes what rows need (tables, columns, types, functions), `rest` all else."""

    names: list[Step] = field(default_factory=list)
    structure: list[Step] = field(default_factory=list)
    rest: list[Step] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.names or self.structure or self.rest)


def inverse(old: Sequence[Facet], now: Mapping[Address, Facet], *, inherited: bool = True) -> Inverse:
    """`now` has, by the old address, each object that is there (under whatever oid and name). Constraints that were `inherited`
    come with the parent's, where that is made again: they are made only when they have not."""
    found = Inverse()
    for facet in sorted(old, key=lambda facet: facet.address[1]):
        present = now.get(facet.address)
        if present is None and not inherited and facet.values.get("inherited") and not facet.values["local"]:
            continue
        if present is None:
            rows_need_it = facet.catalog in _STRUCTURE or facet.sort in ("r", "p", "f", "v")
            (found.structure if rows_need_it else found.rest).extend(_create(facet))
        elif not alike(facet, present):
            found.names += [Step(facet.label, (sql,)) for sql in renames(facet, present)]
            if facet.sort in ("v", "m"):
                found.names += parts.view_columns(facet, present)
            if facet.sort in ("r", "p", "f"):
                found.structure += tables.structure(facet, present)
            found.rest += _alter(facet, present)
    return found


def _create(facet: Facet) -> Iterator[Step]:
    match facet.catalog:
        case f.RELATION:
            match facet.sort:
                case "r" | "p" | "f":
                    return tables.create_table(facet)
                case "S":
                    return tables.create_sequence(facet)
                case "v" | "m":
                    return parts.create_view(facet)
                case _:
                    return parts.create_index(facet)
        case f.CONSTRAINT:
            return parts.create_constraint(facet)
        case f.TRIGGER:
            return parts.create_trigger(facet)
        case f.RULE:
            return parts.create_rule(facet)
        case f.POLICY:
            return parts.create_policy(facet)
        case f.STATISTICS:
            return parts.create_statistics(facet)
        case f.DEFAULT_ACL:
            return kinds.other_steps(facet, kinds.usual(facet))
        case _:
            return kinds.create_other(facet)


def _alter(facet: Facet, now: Facet) -> Iterator[Step]:
    match facet.catalog:
        case f.RELATION:
            match facet.sort:
                case "r" | "p" | "f":
                    yield from tables.table_steps(facet, now)
                case "S":
                    yield from tables.sequence_steps(facet, now)
                case "v" | "m":
                    yield from parts.view_steps(facet, now)
                    yield from parts.rights_of_view(facet, now)
                case _:
                    yield from parts.index_steps(facet, now)
        case f.CONSTRAINT:
            yield from parts.constraint_steps(facet, now)
        case f.TRIGGER | f.RULE:
            yield from parts.trigger_steps(facet, now)
        case f.POLICY:
            yield from parts.policy_steps(facet, now)
        case f.STATISTICS:
            yield from parts.statistics_steps(facet, now)
        case _:
            yield from kinds.other_steps(facet, now)
