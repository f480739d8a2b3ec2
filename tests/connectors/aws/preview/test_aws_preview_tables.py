"""The reviewed tables ask what the services' models know, and nothing that they don't."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import botocore.session
import pytest

from interlock.connectors.aws.preview.hanging import identity, network, services
from interlock.connectors.aws.preview.hanging.engine import Going
from interlock.connectors.aws.preview.policy.resources import _PLACES, Place
from interlock.connectors.aws.preview.registry import ROWS, TABLES
from interlock.connectors.aws.preview.settings.buckets import _CONFIGURATIONS
from interlock.connectors.aws.preview.stacks.types import _table

GOINGS = (
    *identity.ALL,
    *network.ALL,
    *services.ALL,
    services.SNAPSHOT,
    services.CLUSTER_SNAPSHOT,
    network.IMAGE,
)


@cache
def session() -> Any:
    return botocore.session.Session()


@cache
def model(service: str) -> Any:
    return session().get_service_model(service)


def checks(service: str, operation: str, parameters: Any, *paths: str) -> None:
    """The operation exists, has these parameters and answers at these paths."""
    found = model(service).operation_model(operation)
    assert set(parameters) <= set(found.input_shape.members if found.input_shape else ())
    for path in paths:
        shape = found.output_shape
        for step in path.split(".") if path else ():
            shape = shape.member if step.isdigit() else shape.members[step]


def test_no_row_is_there_twice() -> None:
    assert len(ROWS) == sum(map(len, TABLES))


@pytest.mark.parametrize("service", sorted({service for service, _ in ROWS}))
def test_operations_exist(service: str) -> None:
    mine = {operation for of, operation in ROWS if of == service}
    assert mine <= set(model(service).operation_names)


@pytest.mark.parametrize("going", GOINGS, ids=lambda going: f"{going.service} {going.kind}")
def test_what_hangs_is_asked_as_the_service_knows_it(going: Going) -> None:
    if going.ask:
        base = f"{going.select}." if going.select else ""
        told = [base + path for path in (*going.tells, *([going.guard] if going.guard else []))]
        checks(going.service, going.ask, going.by, going.select, *told)
    for hang in going.hangs:
        inner = [f"{hang.key}.0.{hang.inner}"] if hang.inner else []
        checks(hang.service or going.service, hang.ask, hang.by, hang.key, *inner)


@pytest.mark.parametrize("place", _PLACES, ids=lambda place: place.put)
def test_policies_are_where_the_service_has_them(place: Place) -> None:
    checks(place.service, place.ask, place.of, place.select)
    checks(place.service, place.put, [place.member])
    if place.delete:
        checks(place.service, place.delete, [])


def test_bucket_configurations_are_where_the_service_has_them() -> None:
    for one in _CONFIGURATIONS:
        checks("s3", one.get, ["Bucket"], one.found)
        checks("s3", one.put, ["Bucket", one.given.split(".")[0]])
        if one.delete:
            checks("s3", one.delete, ["Bucket"])


def test_types_are_of_known_services() -> None:
    known = {going.type: going.kind for going in GOINGS if going.type}
    table = _table()
    assert {name: rule.kind for name, rule in table.items() if known.get(name, rule.kind) != rule.kind} == {}
    assert all(not (rule.replacing and rule.in_place) for rule in table.values())
    assert all(rule.weakens <= rule.in_place | rule.grows for rule in table.values() if rule.holds)
    assert all(rule.permissions <= rule.in_place for rule in table.values() if rule.holds)


OF_OUR_OWN = {"cloudformation:resource", "route53:recordset", "autoscaling:scalingPolicy"}
"""Kinds that the service authorization reference has no word for."""


def test_kinds_are_those_of_the_schema() -> None:
    schema = files("interlock.connectors.aws").joinpath("schema.cedarschema").read_text()
    known = {kind.split("/")[0] for kind in re.findall(r'"([^"]+)": String', schema)} | OF_OUR_OWN
    used = {going.kind for going in GOINGS} | {rule.kind for rule in _table().values()}
    used |= {place.kind for place in _PLACES}
    assert used - known == set()
