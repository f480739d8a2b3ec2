"""What the classification of one message knows, and how names become resources."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from interlock.connectors.postgres.catalog import Catalog, Relation
from interlock.connectors.postgres.classify.info import StatementInfo
from interlock.connectors.postgres.parse import Name, RawStatement
from interlock.connectors.postgres.verbs.relations import SYSTEM_SCHEMAS
from interlock.model.operation import Resource

KINDS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized_view",
    "f": "foreign_table",
    "S": "sequence",
    "c": "type",
}
"""`pg_class.relkind` → resource kind. A relation of the server's own is a `catalog`."""


OWN_ROLE = "an agent must not change the role it runs as; ask an administrator"


@dataclass(slots=True)
class Context:
    """One message's classification. `search_path` lists schemas as resolved (without `$user`), or is None when not known: then an
    unqualified name means all its candidates. `user` is the role the session runs as, where known."""

    catalog: Catalog
    prepared: Mapping[str, StatementInfo] = field(default_factory=dict)
    temp: bool = False
    search_path: tuple[str, ...] | None = None
    user: str = ""
    again: "Callable[[Context, RawStatement], StatementInfo] | None" = None
    depth: int = 0
    unresolved: list[str] = field(default_factory=list)

    def classify(self, statement: RawStatement) -> StatementInfo:
        """A statement inside another."""
        assert self.again is not None
        return self.again(self, statement)

    # -- relations

    def relations(self, name: Name) -> tuple[Relation, ...]:
        """The relations that a name means: one when the search path says which, else all candidates."""
        found = self.catalog.named_relations(name)
        if name.schema or self.search_path is None or len(found) < 2:
            return found
        for schema in self.search_path:
            if chosen := tuple(r for r in found if r.schema == schema):
                return chosen
        return found

    def relation_resources(self, name: Name, kind: str = "table") -> tuple[Resource, ...]:
        """What policy is told of a relation's name. One that is not known is said to be of `kind`."""
        found = self.relations(name)
        system = self.catalog.system_relation(name)
        if system is not None and not (found and self._hides_system()):
            return (Resource("catalog", str(system), system.schema),)
        if found:
            return tuple(Resource(KINDS.get(r.kind, kind), r.label, r.schema) for r in found)
        self.unresolved.append(str(name))
        return (self.new(kind, name),)

    def _hides_system(self) -> bool:
        return self.search_path is not None and "pg_catalog" in self.search_path[1:]

    # -- other objects

    def new(self, kind: str, name: Name) -> Resource:
        """A thing by the name it is made with, or was asked for with."""
        schema = name.schema or ("pg_temp" if self.temp else self.creation_schema())
        return Resource(kind, f"{schema}.{name.name}", schema)

    def creation_schema(self) -> str:
        """Where an unqualified name is made."""
        path = self.search_path or ()
        return next((s for s in path if s and s not in SYSTEM_SCHEMAS), "public")

    def function_resources(self, name: Name) -> tuple[Resource, ...]:
        """What policy is told of a function's name."""
        found = self.catalog.named_functions(name)
        if not found:
            return (self.new("function", name),)
        return _distinct(Resource("function", f"{f.schema}.{f.name}", f.schema) for f in found)

    def type_resources(self, name: Name) -> tuple[Resource, ...]:
        """What policy is told of a type's name."""
        found = self.catalog.named_types(name)
        if not found:
            return (self.new("type", name),)
        return _distinct(Resource("type", f"{t.schema}.{t.name}", t.schema) for t in found)

    def inner_resource(self, kind: str, relation: Name, name: str) -> tuple[Resource, ...]:
        """A column, constraint, trigger, rule or policy of a relation."""
        return tuple(
            Resource(kind, f"{owner.name}.{name}", owner.group) for owner in self.relation_resources(relation)
        )


def _distinct(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    return tuple(dict.fromkeys(resources))


def own_role(ctx: Context, name: str) -> bool:
    """Whether a role's name (as `objects.role` gives it) means the role the session runs as."""
    return name in ("CURRENT_USER", "SESSION_USER", "CURRENT_ROLE") or (bool(ctx.user) and name == ctx.user)
