"""Keeps what classification knows of a target's catalogs: read through the observer, read again when they change."""

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from interlock.connectors.postgres.alike import Example, example, shape
from interlock.connectors.postgres.catalog import FINGERPRINT_QUERY, QUERIES, Catalog, impure_type, reach
from interlock.connectors.postgres.classify import StatementInfo, Way, classify
from interlock.connectors.postgres.queries import QueryFailed
from interlock.model.errors import Unavailable

Rows: TypeAlias = list[tuple[str | None, ...]]
Ask: TypeAlias = Callable[[list[tuple[str, tuple[str | None, ...]]]], Awaitable[list[Rows]]]

_Key: TypeAlias = tuple[str, str | None, str]
"""A shape, and whatever else decides what its names mean."""

RELOAD_S = 10.0
"""How long (seconds) a statement waits for the catalogs to be read again before it is refused."""
POLL_S = 1.0
"""How often (seconds) the catalogs are looked at for changes that did not come through this gateway."""
_REMEMBERED = 4096


class Catalogs:
    """The catalogs of one database. While they are stale nothing is a pure read."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._seen: list[Rows] = []
        self._catalog: Catalog | None = None
        self._examples: OrderedDict[_Key, Example] = OrderedDict()
        self.proven: dict[str, bool] = {}
        self._stale = True
        self.epoch: object = object()
        """Replaced whenever `classify` may answer otherwise than before."""
        self._loading = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._loaded = asyncio.Event()

    @property
    def fresh(self) -> bool:
        return not self._stale

    async def load(self) -> None:
        """Read everything. Raises what the observer raises."""
        async with self._loading:
            while True:
                self._wanted.clear()
                seen = await self._ask([(FINGERPRINT_QUERY, ())])
                names = list(QUERIES)
                replies = await self._ask([(QUERIES[name], ()) for name in names])
                if seen == await self._ask([(FINGERPRINT_QUERY, ())]):
                    break
            self._catalog = Catalog.from_rows(dict(zip(names, replies, strict=True)))
            self._seen = seen
            self._examples.clear()
            self.proven.clear()
            self._stale, self.epoch = self._wanted.is_set(), object()
            self._loaded.set()
            self._loaded = asyncio.Event()

    async def settled(self) -> None:
        """Wait until the catalogs are known again. Raises Unavailable when that takes too long."""
        if not self._stale:
            return
        try:
            async with asyncio.timeout(RELOAD_S):
                while self._stale:
                    await self._loaded.wait()
        except TimeoutError:
            raise Unavailable(
                "what the catalogs say now cannot be read, so no statement can be looked through"
            ) from None

    async def look(self) -> bool:
        """Look whether the catalogs have changed, and read them again if so. True when they had."""
        try:
            if not self._stale and await self._ask([(FINGERPRINT_QUERY, ())]) == self._seen:
                return False
        except QueryFailed:
            pass  # then they count as changed, and `settled` says what is wrong
        self.changed()
        await self.settled()
        return True

    def impure(self, types: Sequence[int]) -> bool:
        """Whether parameters of these types (object ids) may run somebody's code when they are read in."""
        assert self._catalog is not None
        return any(impure_type(self._catalog, oid) for oid in types)

    def hazards(self, tables: Collection[int]) -> Sequence[str]:
        """What outlives a rollback, or cannot be looked through, of the code that runs when these tables (oids) are written."""
        assert self._catalog is not None
        return reach(self._catalog, writes=tables).hazards

    def changed(self) -> None:
        """They have changed, or may have."""
        self._doubt()
        self._wanted.set()

    def _doubt(self) -> None:
        self._stale, self.epoch = True, object()

    async def watch(self, failed: Callable[[Exception], None]) -> None:
        """Look for changes for ever. What fails makes them stale: then all reads are gated, which is slower and as safe."""
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            try:
                if self._stale or await self._ask([(FINGERPRINT_QUERY, ())]) != self._seen:
                    self._doubt()
                    await self.load()
            except Exception as error:  # noqa: BLE001  # reported, and until it is mended everything is gated
                self._doubt()
                failed(error)
                await asyncio.sleep(POLL_S)

    def classify(
        self,
        sql: str,
        *,
        user: str,
        temp: bool,
        search_path: str | None,
        prepared: Callable[[], Mapping[str, StatementInfo]],
    ) -> tuple[StatementInfo, ...]:
        """Classify a message. Raises Rejected (SqlSyntax, SqlTooLarge, SqlTooComplex)."""
        catalog = self._catalog
        assert catalog is not None
        key = None
        if not (temp or self._stale) and (text := shape(sql)) is not None:
            key = (text, search_path, user)
            if (known := self._examples.get(key)) is not None:
                return (known.like(sql),)
        infos = classify(
            sql, catalog, prepared=prepared(), temp=temp, search_path=_path(search_path), user=user
        )
        if self._stale:
            return tuple(doubted(info) for info in infos)
        if key is not None and (found := example(sql, infos)) is not None:
            self._examples[key] = found
            if len(self._examples) > _REMEMBERED:
                self._examples.popitem(last=False)
        return infos


def _path(search_path: str | None) -> tuple[str, ...] | None:
    """A search path as SHOW prints it, as names; None when it is the server's default."""
    if search_path is None:
        return None
    return tuple(
        part.strip().strip('"').replace('""', '"') for part in search_path.split(",") if part.strip()
    )


def doubted(info: StatementInfo) -> StatementInfo:
    """The same statement when the catalogs are not known for sure: reads are gated too."""
    return dataclasses.replace(info, way=Way.GATED) if info.way is Way.PASS else info
