"""What many ask of the store at once: few transactions, and nobody's failure is another's."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import pytest

from onehop.controller.gate import Peer
from onehop.controller.opening import AT_ONCE, Arrival, Opening
from onehop.controller.report import Reports
from onehop.controller.together import Together
from onehop.errors import BusyError, OnehopError, StateError
from onehop.net.identifier import HostName
from onehop.store import Store, Transaction
from onehop.wire import PROTOCOL_VERSION, Hello, ResourceStatus
from tests.store import rows
from tests.unit.controller.streams import Site

T = TypeVar("T")


class Counted:
    """A store that counts its transactions."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transactions = 0

    def run(self, fn: Callable[[Transaction], T]) -> T:
        self.transactions += 1
        return self.store.run(fn)


def arrive(store: Store, number: int) -> Arrival:
    """A host that was added, has a certificate and says hello."""
    name = HostName(f"host-{number}")

    def add(tx: Transaction) -> None:
        tx.add_host(name)
        tx.add_certificate(name, f"{number:x}", 4e9)

    store.run(add)
    return Arrival(Peer(name, f"{number:x}"), Hello(version=PROTOCOL_VERSION, host=name, vtep=f"192.0.2.{number}"))


def ask_all(together: Together[int, int], questions: Sequence[int]) -> list[int | BaseException]:
    async def scenario() -> list[int | BaseException]:
        return await asyncio.gather(*(together.ask(question) for question in questions), return_exceptions=True)

    return asyncio.run(scenario())


def test_who_asks_while_an_answer_is_made_shares_the_next_one() -> None:
    calls: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def answer(questions: Sequence[int]) -> list[int | OnehopError]:
        calls.append(list(questions))
        begun.set()
        assert go_on.wait(60)
        return [question * 2 for question in questions]

    async def scenario() -> None:
        together: Together[int, int] = Together(answer, 10)
        first = asyncio.ensure_future(together.ask(1))
        assert await asyncio.to_thread(begun.wait, 60)
        others = [asyncio.ensure_future(together.ask(number)) for number in range(2, 10)]
        await asyncio.sleep(0)  # all have asked
        go_on.set()
        assert await first == 2
        assert await asyncio.gather(*others) == [number * 2 for number in range(2, 10)]

    asyncio.run(scenario())
    assert calls == [[1], list(range(2, 10))]


def test_no_more_are_answered_at_once_than_was_said() -> None:
    calls: list[int] = []

    def answer(questions: Sequence[int]) -> list[int | OnehopError]:
        calls.append(len(questions))
        return list(questions)

    assert ask_all(Together(answer, 10), range(25)) == list(range(25))
    assert calls == [10, 10, 5]


def test_a_question_that_spoils_the_transaction_is_not_the_others_failure() -> None:
    def answer(questions: Sequence[int]) -> list[int | OnehopError]:
        if 3 in questions:
            raise StateError("not three")
        return list(questions)

    answers = ask_all(Together(answer, 10), range(5))
    assert isinstance(answers.pop(3), StateError)
    assert answers == [0, 1, 2, 4]


def test_a_database_that_cannot_be_used_is_not_asked_again_for_each() -> None:
    calls: list[int] = []

    def answer(questions: Sequence[int]) -> list[int | OnehopError]:
        calls.append(len(questions))
        raise BusyError("later")

    assert {type(found) for found in ask_all(Together(answer, 10), range(5))} == {BusyError}
    assert calls == [5]


def test_who_has_gone_keeps_nobody_from_an_answer() -> None:
    async def scenario() -> None:
        together: Together[int, int] = Together(list, 10)
        gone, here = (asyncio.ensure_future(together.ask(number)) for number in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await here == 2
        assert await together.ask(3) == 3

    asyncio.run(scenario())


@pytest.mark.slow
def test_many_agents_that_come_back_at_once_are_few_transactions(site: Site) -> None:
    store = site.store
    counted = Counted(store)
    arrivals = [arrive(store, number) for number in range(1, 201)]
    together: Together[Arrival, int] = Together(Opening(cast(Store, counted)).all, AT_ONCE)

    async def scenario() -> list[int]:
        return await asyncio.gather(*(together.ask(arrival) for arrival in arrivals))

    assert asyncio.run(scenario()) == [1] * 200
    assert asyncio.run(scenario()) == [2] * 200
    assert counted.transactions == 2 * 200 / AT_ONCE


def test_an_agent_that_is_refused_does_not_take_the_others_session(site: Site) -> None:
    store = site.store
    one, two, three = (arrive(store, number) for number in (1, 2, 3))
    store.run(lambda tx: tx.revoke_certificates("host-2"))
    same = Arrival(three.peer, Hello(version=PROTOCOL_VERSION, host="host-3", vtep=one.hello.vtep))
    counted = Counted(store)
    answers = Opening(cast(Store, counted)).all([one, two, same])
    assert answers[0] == counted.transactions == 1
    assert "was revoked" in str(answers[1])
    assert "host host-1 has VTEP 192.0.2.1" in str(answers[2])
    with store.read() as tx:
        assert [host.session for host in tx.hosts()] == [1, 0, 0]


def test_reports_of_many_hosts_are_one_transaction_and_one_that_was_removed_loses_only_its_own(site: Site) -> None:
    store = site.store
    network = store.run(rows.network)
    arrivals = [arrive(store, number) for number in range(1, 6)]
    hosts = [arrival.peer.host for arrival in arrivals]
    ports = [store.run(lambda tx, host=host: rows.port(tx, network["id"], host=host)["id"]) for host in hosts[1:]]
    sessions = [cast(int, number) for number in Opening(store).all(arrivals)]
    store.run(lambda tx: tx.remove_host(hosts[0]))
    counted = Counted(store)
    reports = Reports(cast(Store, counted))
    for host, session, port in zip(hosts, sessions, [ports[0], *ports], strict=True):
        reports.add(host, session, store.revision(), [ResourceStatus(kind="port", id=port, state="ACTIVE")], full=True)
    asyncio.run(reports.flush())
    assert counted.transactions == 1
    with store.read() as tx:
        assert [tx.statuses("port", port).keys() for port in ports] == [{host} for host in hosts[1:]]
