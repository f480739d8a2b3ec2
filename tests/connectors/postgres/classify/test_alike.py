"""Statements of one shape: what is made from an example is what looking at the statement itself gives."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.connectors.postgres.alike import example, shape
from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify import classify

_ALIKE = (
    "UPDATE customers SET id = id + {} WHERE id = {}",
    "  UPDATE public.customers AS c SET id = {} WHERE (c.id = {} OR c.id > {}) AND c.id < 5;",
    "DELETE FROM customers WHERE {} = id",
    "DELETE FROM ONLY customers WHERE id IN ({}, {}, {}) RETURNING id, {}",
    "DELETE FROM customers WHERE id = {} ;  ",
    "UPDATE customers SET id = {}",
    "INSERT INTO customers (id) VALUES ({})",
    "INSERT INTO customers (id) VALUES ({}), ({}) ON CONFLICT DO NOTHING",
    "UPDATE customers SET id = {} WHERE id IN (SELECT customer_id FROM orders WHERE amount > {})",
    "SELECT id FROM customers WHERE id = {} LIMIT {}",
)
_NUMBERS = st.lists(st.integers(0, 999_999_999), min_size=8, max_size=8)


@pytest.mark.parametrize("form", _ALIKE)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_NUMBERS, _NUMBERS)
def test_it_is_as_if_it_had_been_looked_at(
    form: str, shop: Catalog, one: list[int], other: list[int]
) -> None:
    first, second = form.format(*one), form.format(*other)
    assert shape(first) == shape(second)
    stands = example(first, classify(first, shop))
    if stands is not None:
        assert (stands.like(second),) == classify(second, shop)


@pytest.mark.parametrize("form", _ALIKE)
def test_the_usual_ones_are_known_again(form: str, shop: Catalog) -> None:
    sql = form.format(*range(100, 108))
    assert example(sql, classify(sql, shop)) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE customers SET id = 5 WHERE id = 5",  # written twice: which is the condition?
        "DELETE FROM customers WHERE id IN (SELECT customer_id FROM orders ORDER BY 1)",
        "DELETE FROM nowhere WHERE id = 5",
        "DELETE FROM customers WHERE id = 5; DELETE FROM customers WHERE id = 6",
        "DROP TABLE customers",
        "TRUNCATE customers",
        "UPDATE customers SET id = 7 WHERE pg_backend_pid() = 3 AND pg_terminate_backend(5)",
    ],
)
def test_others_stand_for_themselves_only(sql: str, shop: Catalog) -> None:
    assert example(sql, classify(sql, shop)) is None


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM customers WHERE name = '5'",
        'DELETE FROM customers WHERE "5" = 5',
        "DELETE FROM customers WHERE id = 5 -- 6",
        "DELETE FROM customers /* 5 */",
        "DELETE FROM customers WHERE id = $1",
        "DELETE FROM customers WHERE name = $$5$$",
    ],
)
def test_what_could_hide_a_number_has_no_shape(sql: str) -> None:
    assert shape(sql) is None


def test_numbers_that_are_no_integers_are_not_alike() -> None:
    texts = ("5", "5.0", "5e1", "99999999999", "a5", "0x5", "5_000")
    assert len({shape(f"DELETE FROM customers WHERE id = {text}") for text in texts}) == len(texts)
