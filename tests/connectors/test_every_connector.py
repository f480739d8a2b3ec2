"""What holds for each connector, whichever there are."""

import pytest

from interlock.model.errors import Misconfigured
from interlock.runtime.targets.connectors import load
from interlock.testing import suite


@pytest.fixture(params=suite.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_is_one() -> None:
    assert suite.names()


def test_parts_are_there(name: str) -> None:
    assert suite.missing_parts(name) == []


def test_is_found_by_its_folder(name: str) -> None:
    assert load(name).name == name


def test_schema_fits_the_core(name: str) -> None:
    suite.load_schema(load(name))


def test_example_is_a_configuration(name: str) -> None:
    connector, live = suite.configured(name)
    address = connector.listener(live)
    assert address.host
    assert 0 < address.port < 65536


def test_unknown_keys_are_refused_with_the_nearest(name: str) -> None:
    raw = {**suite.example(name), "listem": "127.0.0.1:1"}
    with pytest.raises(Misconfigured, match=r"listem.*listen"):
        suite.configured(name, raw)


def test_beyond_this_machine_only_with_tls(name: str) -> None:
    raw = {**suite.example(name), "listen": "0.0.0.0:6543"}
    with pytest.raises(Misconfigured, match=r"TLS|tls"):
        suite.configured(name, raw)


def test_secrets_show_nowhere(name: str) -> None:
    connector, live = suite.configured(name)
    for shown in (repr(live), str(live), repr(vars(live)), connector.setup_script(live, "plain")):
        assert suite.PLANTED not in shown


def test_no_connection_is_made_to_configure(name: str) -> None:
    # The example names a host that does not exist: configuring it is no I/O.
    suite.configured(name)


@pytest.mark.parametrize("flavour", ["plain", "rds"])
def test_setup_script_is_one(name: str, flavour: str) -> None:
    connector, live = suite.configured(name)
    assert connector.setup_script(live, flavour).strip()
