"""When the change feed passes a change on: a single one at once, those close behind it together."""

import asyncio

import pytest

from onehop.controller import feed
from onehop.model.topology import Ref
from onehop.net.identifier import HostName
from tests.unit.controller.streams import Site, bound_port


def test_a_change_in_a_quiet_time_goes_out_at_once_however_lately_the_log_was_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "GATHER_SECONDS", 3600.0)
    site.host("host-1")

    async def scenario() -> None:
        told = asyncio.Event()

        def changed(dirty: dict[HostName, set[Ref]], _removed: set[HostName]) -> None:
            if dirty:
                told.set()

        followed = feed.Feed(site.store, changed)
        await followed.start()
        task = asyncio.ensure_future(followed.run())
        try:
            # The feed looks first when it begins, and finds nothing.
            assert not await followed.catch_up()
            await asyncio.to_thread(bound_port, site, "host-1")
            async with asyncio.timeout(20):
                await told.wait()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_all_who_ask_while_the_log_is_read_share_the_next_reading(site: Site) -> None:
    site.host("host-1")

    async def scenario() -> None:
        read: list[int] = []
        followed = feed.Feed(site.store, lambda _dirty, _removed: read.append(followed.shares.topology.revision))
        await followed.start()
        async with asyncio.timeout(20):
            await asyncio.to_thread(bound_port, site, "host-1")
            first = asyncio.ensure_future(followed.catch_up())
            while not followed._lock.locked():
                await asyncio.sleep(0)
            await asyncio.to_thread(bound_port, site, "host-1")
            later = await asyncio.gather(*(followed.catch_up() for _ in range(50)))
            await first
        assert read[-1] == site.store.revision()
        assert len(read) <= 2
        assert len(set(later)) == 1

    asyncio.run(scenario())
