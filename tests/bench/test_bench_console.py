"""What the benchmark of the console stands on: its changes are a store's own, and every page of it is a page."""

import asyncio
import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from bench.console import pages, streams
from bench.console.filling import FORMER, RARE_TABLE, fill_sqlite
from bench.console.served import configured, serving
from bench.measure import Table

from interlock.model.change import ACTIVITY_SLICE, ChangeFilter
from interlock.model.operation import Action
from interlock.runtime.config.document import load
from interlock.runtime.opening import open_configured
from interlock.sdk.ports import ReadTx

pytestmark = pytest.mark.anyio
NUMBER = 3_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with a filled store."""
    made = configured(tmp_path / "site", "sqlite:///interlock.db")
    asyncio.run(open_configured(load(made), create=True).close())
    fill_sqlite(tmp_path / "site" / "interlock.db", NUMBER)
    return made


async def test_the_changes_are_a_stores_own(file: Path) -> None:
    store = open_configured(load(file))

    def look(tx: ReadTx) -> None:
        assert (
            sum(a.changes for a in tx.activity(tx.now() - timedelta(hours=25), ACTIVITY_SLICE * 12)) == NUMBER
        )
        assert len(tx.changes(ChangeFilter(words=(RARE_TABLE,)))) == 1
        assert len(tx.changes(ChangeFilter(agent=FORMER, limit=900))) == 900
        assert tx.changes(ChangeFilter(agent=FORMER, action=Action.ADMIN)) == []
        found = tx.changes(ChangeFilter(limit=1000))
        assert [c.id for c in found] == sorted((c.id for c in found), reverse=True)

    await store.read(look)
    await store.close()


async def test_every_page_is_measured(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file.parent / "interlock.db", check_same_thread=False)) as raw:
        async with serving(file) as site:
            found = await pages.pages(
                site, lambda sql, values: raw.execute(sql, values).fetchall(), "Pages", 1
            )
            heard: Table = await streams.streams(site, 0.1)
    notes = {row.name: row.note for row in found.rows}
    assert "50 changes" in notes["changes"]
    assert "0 changes" in notes["a word that none has"]
    assert [row.unit for row in heard.rows] == ["a second", "ms/s", "KiB", "ms"]
