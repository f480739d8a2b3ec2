"""Connection strings mean what libpq takes them to mean, or are refused."""

import functools

import pytest
from psycopg.conninfo import conninfo_to_dict

from interlock.connectors.postgres.auth.scram import ChannelBinding
from interlock.connectors.postgres.client.config import ConfigError, SslMode, UpstreamConfig, stays_inside

GOOD = [
    "postgresql://ann@db/shop",
    "postgres://ann@db:6432/shop?sslmode=verify-full&application_name=a%20b",
    "postgresql://ann@[::1]:6432/shop",
    "postgresql://ann@/shop?host=/tmp/Socket%20Dir&port=6432",
    "postgresql://ann@%2Ftmp%2FSocket/shop",
    "postgresql://an%40n@db/sh%2Fop?connect_timeout=3",
    "host=db user=ann dbname=shop port=6432",
    "host = db  user = 'an n' dbname='sh\\'op\\\\'",
    "host=db user=a\\ b dbname=''",
    "host=/tmp user=ann dbname=shop options='-c work_mem=1MB'",
    "postgresql://ann@db/shop?sslmode=require&sslrootcert=/ca.pem&channel_binding=require",
]


@pytest.mark.parametrize("dsn", GOOD)
def test_as_libpq_reads_them(dsn: str) -> None:
    expected = conninfo_to_dict(dsn)
    config = UpstreamConfig.parse(dsn)
    assert config.host == expected["host"]
    assert config.user == expected["user"]
    assert str(config.port) == expected.get("port", "5432")
    assert config.dbname == (expected.get("dbname") or config.user)
    assert config.sslmode.value == expected.get("sslmode", "prefer")
    assert config.sslrootcert == expected.get("sslrootcert")
    assert config.options == expected.get("options")
    assert config.application_name == expected.get("application_name")
    assert config.channel_binding.value == expected.get("channel_binding", "prefer")
    assert config.connect_timeout == float(expected.get("connect_timeout") or 10)
    assert config.is_unix == str(expected["host"]).startswith("/")


BAD = {
    "postgresql://ann:hunter2@db/shop": "give it as `password`",
    "postgresql://ann@db/shop?password=hunter2": "give it as `password`",
    "host=db user=ann password=hunter2": "give it as `password`",
    "host=db user=ann password='hunter2": "not closed",
    "host=db user=ann password=hun ter2=1": "give it as `password`",
    "postgresql://ann@db/shop?passfile=hunter2": "passfile is not supported",
    "postgresql://ann@db/shop?target_session_attrs=any": "target_session_attrs is not supported",
    "postgresql://ann@a,b/shop": "several hosts",
    "host=a,b user=ann": "several hosts",
    "postgresql://ann@db:x/shop": "cannot be read",
    "postgresql://ann@db:99999/shop": "cannot be read",
    "host=db user=ann port=0": "port must be",
    "postgresql://ann@db/shop#x": "fragment",
    "postgresql:///shop": "names no host",
    "postgresql://db/shop": "names no user",
    "shop": "neither a URL nor",
    "host=db host=db2 user=ann": "host is given twice",
    "postgresql://ann@db/shop?host=db2": "host is given twice",
    "host=db user=ann sslmode=verify": "sslmode must be one of disable, prefer",
    "host=db user=ann sslmode=verify-ca": "verify-ca needs sslrootcert",
    "host=db user=ann sslmode=require sslrootcert=system": "system needs sslmode=verify-full",
    "host=db user=ann connect_timeout=-1": "connect_timeout must be",
    "host=db user=ann%00 dbname=a\0b": "contains NUL",
}


@pytest.mark.parametrize(("dsn", "says"), BAD.items(), ids=range(len(BAD)))
def test_what_is_refused(dsn: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        UpstreamConfig.parse(dsn)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_it_does_not_show_the_password() -> None:
    config = UpstreamConfig.parse("postgresql://ann@db/shop", functools.partial(str, "hunter2"))
    assert "hunter2" not in repr(config)
    assert "hunter2" not in str(config)


def test_what_the_startup_packet_says() -> None:
    config = UpstreamConfig(host="db", user="ann", dbname="shop", options="-c x=1")
    assert config.startup_parameters() == {"user": "ann", "database": "shop", "options": "-c x=1"}
    assert (config.sslmode, config.channel_binding) == (SslMode.PREFER, ChannelBinding.PREFER)


def test_what_stays_inside_the_machine_is_told_by_the_address() -> None:
    assert stays_inside("/tmp/.s.PGSQL.5432")
    assert stays_inside(("127.0.0.1", 5432))
    assert stays_inside(("::1", 5432, 0, 0))
    assert not stays_inside(("192.0.2.1", 5432))
    assert not stays_inside(("fe80::1%eth0", 5432, 0, 2))
