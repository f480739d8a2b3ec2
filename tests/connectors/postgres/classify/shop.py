"""A database with everything that classification must see through, and how to read its catalogs."""

from interlock.connectors.postgres.catalog import FINGERPRINT_QUERY, QUERIES, Catalog
from interlock.testing.peers.pg import PgDatabase

SHOP = """
CREATE TABLE customers (id serial PRIMARY KEY, name text, region text DEFAULT 'north');
CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer_id int REFERENCES customers ON DELETE CASCADE,
    amount numeric CHECK (amount >= 0),
    status text,
    placed timestamptz DEFAULT now()
);
CREATE INDEX orders_status ON orders (lower(status)) WHERE status IS NOT NULL;
CREATE TABLE payments (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
CREATE VIEW open_orders AS SELECT o.id, c.name, o.amount FROM orders o JOIN customers c ON c.id = o.customer_id
    WHERE o.status <> 'closed';
CREATE VIEW open_names AS SELECT DISTINCT name FROM open_orders;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(amount) FROM orders GROUP BY 1;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN small AS int;
CREATE TYPE pair AS (a int, b positive);
CREATE TABLE notes (id int, feeling mood, rating positive, both_parts pair);
CREATE TABLE parts (id int, region text) PARTITION BY LIST (region);
CREATE TABLE parts_north PARTITION OF parts FOR VALUES IN ('north');
CREATE SEQUENCE numbers;
CREATE SCHEMA archive;
CREATE TABLE archive.orders (id int);

CREATE FUNCTION cleanup() RETURNS int LANGUAGE sql AS 'DELETE FROM customers RETURNING id';
CREATE FUNCTION reset_ids() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM setval('numbers', 1); END $$;
CREATE FUNCTION run(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('changes', NEW.id::text); RETURN NEW; END $$;
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM payments; END $$;
CREATE VIEW sly AS SELECT id, cleanup() AS gone FROM orders;
CREATE VIEW slyer AS SELECT * FROM sly;
CREATE TABLE told (id int);
CREATE TRIGGER tell BEFORE INSERT ON told FOR EACH ROW EXECUTE FUNCTION tell();
"""


def read(database: PgDatabase) -> Catalog:
    """The snapshot, as a session reads it."""
    with database.connect(autocommit=True) as connection:
        connection.execute("SET search_path = ''")
        return Catalog.from_rows({name: connection.execute(sql).fetchall() for name, sql in QUERIES.items()})


def fingerprint(database: PgDatabase) -> str:
    """The cheap fingerprint of the catalogs."""
    with database.connect(autocommit=True) as connection:
        connection.execute("SET search_path = ''")
        row = connection.execute(FINGERPRINT_QUERY).fetchone()
        assert row is not None
        return str(row[0])
