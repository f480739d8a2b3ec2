"""Small projects of migration tools, written into a folder: each makes tables and rows, destroys some in the middle, and goes on.

Every tool reads its connection from the environment that `interlock run` gives. The middle step drops a column, a table and 120
rows; the steps before and after it are harmless.
"""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import TypeAlias

Write: TypeAlias = Callable[[Path], Path]
"""Writes a project into a folder."""

MAKE = """
CREATE TABLE author (id int PRIMARY KEY, name text NOT NULL, nick text);
CREATE TABLE book (id int PRIMARY KEY, author int NOT NULL REFERENCES author, title text NOT NULL);
CREATE TABLE draft (id int PRIMARY KEY, body text);
"""
FILL = """
INSERT INTO author SELECT i, 'author ' || i, 'nick ' || i FROM generate_series(1, 20) i;
INSERT INTO book SELECT i, (i - 1) % 20 + 1, 'book ' || i FROM generate_series(1, 400) i;
INSERT INTO draft SELECT i, 'draft ' || i FROM generate_series(1, 50) i;
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files by their paths, dedented."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), "utf-8")
    return folder


def alembic(folder: Path) -> Path:
    """Three revisions, which run in one transaction as they are."""
    return write(
        folder,
        {
            "alembic.ini": """
                [alembic]
                script_location = %(here)s
                """,
            "env.py": """
                import os
                from alembic import context
                from sqlalchemy import create_engine

                engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"))
                with engine.connect() as connection:
                    context.configure(connection=connection)
                    with context.begin_transaction():
                        context.run_migrations()
                """,
            "versions/r1.py": f"""
                from alembic import op
                revision, down_revision = "r1", None

                def upgrade():
                    op.execute({MAKE!r})
                    op.execute({FILL!r})
                """,
            "versions/r2.py": """
                from alembic import op
                import sqlalchemy as sa
                revision, down_revision = "r2", "r1"

                def upgrade():
                    book = sa.table("book", sa.column("id", sa.Integer))
                    op.execute(book.delete().where(book.c.id > 280))
                    op.drop_column("author", "nick")
                    op.drop_table("draft")
                """,
            "versions/r3.py": """
                from alembic import op
                import sqlalchemy as sa
                revision, down_revision = "r3", "r2"

                def upgrade():
                    op.add_column("author", sa.Column("born", sa.Date))
                    op.create_table("shelf", sa.Column("id", sa.Integer, primary_key=True))
                """,
        },
    )


def django(folder: Path) -> Path:
    """Four migrations of one application. The one that destroys ends with a function in Python."""
    return write(
        folder,
        {
            "manage.py": """
                import os, sys
                from django.core.management import execute_from_command_line

                os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
                execute_from_command_line(sys.argv)
                """,
            "settings.py": """
                import os

                SECRET_KEY = "a test's"
                INSTALLED_APPS = ["library"]
                USE_TZ = True
                DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
                """,
            "library/__init__.py": "",
            "library/models.py": "",
            "library/migrations/__init__.py": "",
            "library/migrations/m1_make.py": """
                from django.db import migrations, models

                class Migration(migrations.Migration):
                    operations = [
                        migrations.CreateModel("Author", [
                            ("id", models.IntegerField(primary_key=True)),
                            ("name", models.TextField()),
                            ("nick", models.TextField(null=True)),
                        ], {"db_table": "author"}),
                        migrations.CreateModel("Book", [
                            ("id", models.IntegerField(primary_key=True)),
                            ("author", models.ForeignKey("library.Author", models.CASCADE)),
                            ("title", models.CharField(max_length=80)),
                        ], {"db_table": "book"}),
                        migrations.CreateModel("Draft", [
                            ("id", models.IntegerField(primary_key=True)),
                            ("body", models.TextField(null=True)),
                        ], {"db_table": "draft"}),
                    ]
                """,
            "library/migrations/m2_fill.py": """
                from django.db import migrations

                def fill(apps, schema_editor):
                    Author, Book, Draft = (apps.get_model("library", n) for n in ("Author", "Book", "Draft"))
                    Author.objects.bulk_create(Author(i, f"author {i}", f"nick {i}") for i in range(1, 21))
                    Book.objects.bulk_create(Book(i, (i - 1) % 20 + 1, f"book {i}") for i in range(1, 401))
                    Draft.objects.bulk_create(Draft(i, f"draft {i}") for i in range(1, 51))

                class Migration(migrations.Migration):
                    dependencies = [("library", "m1_make")]
                    operations = [migrations.RunPython(fill)]
                """,
            "library/migrations/m3_destroy.py": """
                from django.db import migrations

                def destroy(apps, schema_editor):
                    apps.get_model("library", "Book").objects.filter(id__gt=280).delete()

                class Migration(migrations.Migration):
                    dependencies = [("library", "m2_fill")]
                    operations = [
                        migrations.RemoveField("Author", "nick"),
                        migrations.DeleteModel("Draft"),
                        migrations.RunPython(destroy),
                    ]
                """,
            "library/migrations/m4_more.py": """
                from django.db import migrations, models

                class Migration(migrations.Migration):
                    dependencies = [("library", "m3_destroy")]
                    operations = [
                        migrations.AddField("Author", "born", models.DateField(null=True)),
                        migrations.CreateModel("Shelf", [("id", models.IntegerField(primary_key=True))], {"db_table": "shelf"}),
                    ]
                """,
        },
    )


def knex(folder: Path) -> Path:
    """Three migrations of knex (JavaScript), which run in one transaction as they are."""
    return write(
        folder,
        {
            "knexfile.js": """
                module.exports = {
                  client: "pg",
                  connection: process.env.DATABASE_URL,
                  pool: { min: 0, max: 2 },
                  migrations: { directory: __dirname + "/migrations" },
                };
                """,
            "migrations/m1_make.js": f"""
                exports.up = (knex) => knex.raw(`{MAKE} {FILL}`);
                exports.down = () => {{ throw new Error("no way back"); }};
                """,
            "migrations/m2_destroy.js": """
                exports.up = async (knex) => {
                  await knex("book").where("id", ">", 280).del();
                  await knex.schema.alterTable("author", (table) => table.dropColumn("nick"));
                  await knex.schema.dropTable("draft");
                };
                exports.down = () => { throw new Error("no way back"); };
                """,
            "migrations/m3_more.js": """
                exports.up = async (knex) => {
                  await knex.schema.alterTable("author", (table) => table.date("born"));
                  await knex.schema.createTable("shelf", (table) => table.integer("id").primary());
                };
                exports.down = () => { throw new Error("no way back"); };
                """,
        },
    )
