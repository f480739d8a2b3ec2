"""Django's own tests of what touches the wire, run by its own runner on psycopg 3. Databases are prepared beforehand and kept
(`--keepdb`): the gateway lets nobody create one. The second one that the tests know is reached directly both ways."""

import subprocess

from tests.real.conformance import junit
from tests.real.conformance.suite import Outcome, Run, Suite

from interlock.testing.gateway import prepare

VERSION = "5.2.19"
LABELS = (
    "backends",
    "bulk_create",
    "constraints",
    "delete",
    "expressions",
    "get_or_create",
    "indexes",
    "inspectdb",
    "introspection",
    "migrations",
    "schema",
    "select_for_update",
    "transaction_hooks",
    "transactions",
    "update",
)
SETTINGS = """
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", **DEFAULT, "TEST": {"NAME": DEFAULT["NAME"]}},
    "other": {"ENGINE": "django.db.backends.postgresql", **OTHER, "TEST": {"NAME": OTHER["NAME"]}},
}
SECRET_KEY = "a test's"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "xmlrunner.extra.djangotestrunner.XMLTestRunner"
TEST_OUTPUT_DIR = FOLDER
TEST_OUTPUT_FILE_NAME = "junit.xml"
"""


def run(what: Run) -> dict[str, Outcome]:
    place, cluster = what.place, what.database.cluster
    cluster.drop_database("django_other")
    other = cluster.create_database("django_other")
    prepare(other)
    default = {"HOST": place.host, "PORT": place.port, "USER": place.user, "PASSWORD": place.password}
    second = {"HOST": place.host, "PORT": cluster.port, "USER": "il_agent", "NAME": other.name}
    values = {"DEFAULT": {**default, "NAME": place.database}, "OTHER": second, "FOLDER": str(what.folder)}
    said = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    (what.folder / "interlock_settings.py").write_text(said + SETTINGS, "utf-8")
    words = ("runtests.py", "--settings=interlock_settings", "--keepdb", "--noinput", "--parallel=1", "-v0")
    with (what.folder / "output.txt").open("wb") as output:
        subprocess.run(
            [str(what.python), *words, *(what.only or LABELS)],
            cwd=what.source / "tests",
            env={**place.environment(), "PYTHONPATH": f"{what.folder}:{what.source}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=3600,
        )
    other.drop()
    report = what.folder / "junit.xml"
    assert report.exists(), f"the suite reported nothing; its output is in {what.folder}"
    return dict(junit.outcomes(report))


SUITE = Suite(
    "django",
    VERSION,
    run,
    needs=("asgiref", "sqlparse", "psycopg[binary]", "unittest-xml-reporting", "tblib"),
    subset=("transactions", "transaction_hooks"),
    database="postgres",  # it looks there for the others
    postgres="15",  # Debian's has collations of ICU
    settings={"max_prepared_transactions": "10"},
)
