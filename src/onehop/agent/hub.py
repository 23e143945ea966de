"""The hub: what the agent's parts tell each other about passes. Lives in the event loop; never blocks it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from onehop.agent.board import Entry
from onehop.agent.engine import Engine
from onehop.agent.outcome import Outcome
from onehop.agent.worker import Worker
from onehop.model.topology import Ref

T = TypeVar("T")


class Hub:
    """States as the last passes left them, and a way to wait for what comes.

    Attributes:
        entries: state of every resource.
        last: the last outcome, or None before the first pass.
    """

    def __init__(self) -> None:
        self.entries: dict[Ref, Entry] = {}
        self.last: Outcome | None = None
        self._waiting: set[asyncio.Event] = set()
        self._worker: Worker | None = None

    def attach(self, worker: Worker) -> None:
        """Name the worker that makes the passes."""
        self._worker = worker

    def outcome(self, outcome: Outcome) -> None:
        """A pass is done."""
        self.last = outcome
        for ref, entry in outcome.changed.items():
            if entry is None:
                self.entries.pop(ref, None)
            else:
                self.entries[ref] = entry
        for event in self._waiting:
            event.set()

    async def ask(self, what: Callable[[Engine], T]) -> T:
        """Do something with the engine between two passes."""
        if self._worker is None:
            raise RuntimeError("the hub has no worker yet")
        return await asyncio.wrap_future(self._worker.call(what))

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, looking after each pass; whether it does."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    event.clear()
                    await event.wait()
        except TimeoutError:
            return condition()
        finally:
            self._waiting.discard(event)
        return True
