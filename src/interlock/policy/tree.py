"""Facts read from a policy's tree: its scope, whether it looks at effects, which evidence lifts it."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Final, TypeAlias

from interlock.policy.cedar import pst

Facet: TypeAlias = tuple[str, str]
"""Something true of a resource: an entity it is or lies in (`Target`, id), or an attribute and its value (`.target`, value)."""

_SELECTIVE: Final = ("name", "group", "target", "environment", "kind")
"""Attributes to index by, the most selective first."""

_REQUIRED_BOOLS: Final = (
    pst.GetAttr(pst.Var("resource"), "strict"),
    pst.GetAttr(pst.Var("context"), "known"),
)


def principal(policy: pst.Template) -> str | None:
    """The one agent it can apply to, or None for any."""
    match policy.principal:
        case pst.ScopeEq(entity) | pst.ScopeIn(entity) | pst.ScopeIsIn(_, entity):
            return entity.id if isinstance(entity, pst.EntityUid) else None
        case pst.ScopeAny() | pst.ScopeIs():
            return None


def actions(policy: pst.Template) -> frozenset[str] | None:
    """The actions it can apply to, or None for any."""
    match policy.action:
        case pst.ActionEq(entity):
            return frozenset({entity.id})
        case pst.ActionIn(entities):
            return frozenset(e.id for e in entities)
        case pst.ScopeAny():
            return None


def facets(policy: pst.Template) -> frozenset[Facet] | None:
    """A resource it applies to has at least one of these; None: it may apply to any."""
    match policy.resource:
        case pst.ScopeEq(entity) | pst.ScopeIn(entity) | pst.ScopeIsIn(_, entity):
            if isinstance(entity, pst.EntityUid):
                return frozenset({(str(entity.type), entity.id)})
    found = dict(_demanded(policy.clauses))
    return next((found[attr] for attr in _SELECTIVE if attr in found), None)


def _demanded(clauses: Iterable[pst.Clause]) -> Iterator[tuple[str, frozenset[Facet]]]:
    """Attributes that must have one of some values, as long as nothing before them can raise an error: an error must not be
    hidden by leaving the policy out."""
    for clause in clauses:
        if not isinstance(clause, pst.When):
            return
        for part in _conjuncts(clause.expr):
            demand = _demand(part)
            if demand:
                yield next(iter(demand))[0].removeprefix("."), demand
            elif part not in _REQUIRED_BOOLS:
                return


def _conjuncts(expr: pst.Expr) -> Iterator[pst.Expr]:
    if isinstance(expr, pst.BinaryOp) and expr.op == "and":
        yield from _conjuncts(expr.left)
        yield from _conjuncts(expr.right)
    else:
        yield expr


def _demand(expr: pst.Expr) -> frozenset[Facet] | None:
    """`resource.name == "a" || resource.name == "b"` as facets of one attribute; None for anything else."""
    match expr:
        case pst.BinaryOp("or", left, right):
            one, two = _demand(left), _demand(right)
            both = one | two if one and two else None
            return both if both and len({attr for attr, _ in both}) == 1 else None
        case pst.BinaryOp("eq", pst.GetAttr(pst.Var("resource"), attr), pst.StringLit(value)) | pst.BinaryOp(
            "eq", pst.StringLit(value), pst.GetAttr(pst.Var("resource"), attr)
        ) if attr in _SELECTIVE:
            return frozenset({(f".{attr}", value)})
    return None


def looks_at_effects(policy: pst.Template) -> bool:
    """Whether anything in it depends on `context.effects` (or on the context as a whole)."""
    return any(_sees_effects(clause) for clause in policy.clauses)


def _sees_effects(node: object) -> bool:
    match node:
        case pst.GetAttr(pst.Var("context"), attr):
            return attr == "effects"
        case pst.HasAttr(pst.Var("context"), attrs):
            return attrs[0] == "effects"
        case pst.Var("context"):
            return True
    return any(_sees_effects(child) for child in _children(node))


_EVIDENCE: Final = pst.GetAttr(pst.Var("context"), "evidence")
_QUORUMS: Final = pst.GetAttr(_EVIDENCE, "quorums")


def lifted_by(policy: pst.Template) -> frozenset[str]:
    """The remedies (`quorum:two-sre`, `rehearsal`, `plan`) that its conditions test so that having them lifts a forbid: in
    `unless`, or negated in `when`."""
    return frozenset(r for c in policy.clauses for r in _tested(c.expr, isinstance(c, pst.Unless)))


def _tested(node: object, lifting: bool) -> Iterator[str]:
    match node:
        case pst.UnaryOp("not", arg):
            yield from _tested(arg, not lifting)
            return
        case pst.BinaryOp("contains" | "contains_all" | "contains_any", left, right) if lifting:
            if _QUORUMS in (left, right):
                other = right if left == _QUORUMS else left
                yield from (f"quorum:{name}" for name in sorted(literals(other)))
        case pst.GetAttr(base, "rehearsal" | "plan" as remedy) if lifting and base == _EVIDENCE:
            yield remedy
    for child in _children(node):
        yield from _tested(child, lifting)


def kinds(policy: pst.Template) -> frozenset[str]:
    """The literals that `resource.kind` is compared with."""
    return frozenset(_kinds(policy.clauses))


def _kinds(node: object) -> Iterator[str]:
    match node:
        case pst.BinaryOp(_, pst.GetAttr(pst.Var("resource"), "kind"), other) | pst.BinaryOp(
            _, other, pst.GetAttr(pst.Var("resource"), "kind")
        ):
            yield from literals(other)
    for child in _children(node):
        yield from _kinds(child)


def literals(node: object) -> frozenset[str]:
    """All string literals below a node."""
    if isinstance(node, pst.StringLit):
        return frozenset({node.value})
    return frozenset(text for child in _children(node) for text in literals(child))


def entities(policy: pst.Template) -> frozenset[Facet]:
    """All entities it names, actions apart."""
    return frozenset((str(e.type), e.id) for e in pst.entity_uids(policy) if str(e.type) != "Action")


def _children(node: object) -> Iterator[object]:
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, dict):
        yield from node.values()
    elif is_dataclass(node) and not isinstance(node, type):
        yield from (getattr(node, field.name) for field in fields(node))
