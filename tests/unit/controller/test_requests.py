"""A request to the API can be followed to the agents that carry out what it asked for."""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import msgspec
import pytest

from onehop.controller.memory import Causes
from onehop.controller.requests import Requests
from onehop.errors import WireError
from onehop.log import request_id, requested
from onehop.store.cause import REMEMBERED
from onehop.store.cause import Causes as Revisions
from onehop.wire import MAX_REQUESTS, InSync, decode_from_controller, encode
from tests.unit.controller.streams import Site, bound_port

T = TypeVar("T")


def asked(what: Callable[[], T]) -> tuple[str, T]:
    """Do something as part of a request; its id."""
    request = f"req-{uuid4()}"

    def work() -> T:
        requested(request)
        return what()

    return request, contextvars.copy_context().run(work)


def test_what_a_request_changed_is_sent_with_its_id_and_only_to_whom_it_concerns(site: Site) -> None:
    async def scenario() -> None:
        first, second = site.host("host-1"), site.host("host-2")
        bound_port(site, "host-1")
        bound_port(site, "host-2")
        async with (
            site.running(),
            site.agent("host-1", first) as one,
            site.agent("host-2", second) as other,
        ):
            await one.until(lambda: one.syncs > 0)
            await other.until(lambda: other.syncs > 0)
            request, (_, port) = asked(lambda: bound_port(site, "host-1"))
            await one.until(lambda: port in one.ids("port"))
            assert one.requests == [request]
            _, quiet = bound_port(site, "host-1")
            await one.until(lambda: quiet in one.ids("port"))
            assert one.requests == [request]
            assert other.requests == []

    asyncio.run(scenario())


def test_a_request_that_is_over_is_nobodys_any_more() -> None:
    request, seen = asked(request_id)
    assert seen == request
    assert request_id() == ""


def test_several_requests_are_not_one() -> None:
    def work() -> str:
        requested("req-1", "req-2")
        return request_id()

    assert contextvars.copy_context().run(work) == ""


def test_of_many_requests_the_newest_are_told() -> None:
    causes = Causes()
    causes.add(f"req-{number}" for number in range(MAX_REQUESTS + 5))
    causes.add(["req-5"])
    assert causes.take() == tuple(f"req-{number}" for number in range(5, MAX_REQUESTS + 5))
    assert causes.take() == ()


def test_of_many_commits_the_newest_are_remembered() -> None:
    revisions = Revisions()
    for revision in range(REMEMBERED + 2):
        revisions.add(revision, f"req-{revision}")
    assert revisions.between(-1, 3) == ("req-2", "req-3")
    assert revisions.between(REMEMBERED, REMEMBERED + 9) == (f"req-{REMEMBERED + 1}",)


class OldInSync(msgspec.Struct, frozen=True, kw_only=True, tag="in_sync"):
    """The message as agents of before know it."""

    revision: int
    answers: int = 0


def test_an_agent_that_does_not_know_of_requests_passes_over_them() -> None:
    frame = encode(InSync(revision=7, answers=2, requests=(f"req-{uuid4()}",)))
    assert msgspec.msgpack.decode(frame, type=OldInSync) == OldInSync(revision=7, answers=2)


def test_a_controller_of_before_tells_of_none() -> None:
    assert decode_from_controller(msgspec.msgpack.encode(OldInSync(revision=7))) == InSync(revision=7)


@pytest.mark.parametrize("request_", ["", "req-1", f"req-{'x' * 36}", f"req-{'0' * 36}\nforged", f"req-{'0' * 37}"])
def test_what_is_no_id_of_a_request_is_refused(request_: str) -> None:
    with pytest.raises(WireError):
        decode_from_controller(encode(InSync(revision=7, requests=(request_,))))


def test_a_route_that_nobody_named_is_no_label() -> None:
    requests = Requests()
    requests.done(None, 404, 0.001)
    requests.done(logging, 200, 0.001)
    assert {labels for labels, _ in requests.number.samples()} == {("none", "none", "404"), ("none", "none", "200")}
