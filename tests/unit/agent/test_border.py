"""What the border tells the engine of the controller."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from onehop.agent.border import Border
from onehop.agent.engine import Engine
from onehop.agent.hub import Hub
from tests.unit.agent.bench import Bench

T = TypeVar("T")


class Direct(Hub):
    """A hub that leads to an engine without a thread between."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.asked = asyncio.Event()

    async def ask(self, what: Callable[[Engine], T]) -> T:
        answer = what(self._engine)
        self.asked.set()
        return answer


class Away:
    """A controller that is never there when the border looks."""

    syncs = 0

    def fresh(self) -> bool:
        return False

    async def confirms(self, seconds: float) -> bool:
        return seconds < 0


def test_a_controller_that_came_and_went_between_two_looks_confirms_nothing_any_more() -> None:
    async def scenario() -> None:
        engine = Bench(confirmed=False).engine
        hub, controller = Direct(engine), Away()
        border = asyncio.create_task(Border(hub, controller, list).run())
        try:
            engine.confirm(True)
            controller.syncs += 1
            async with asyncio.timeout(5):
                await hub.asked.wait()
            assert not engine.tenure.permits.confirmed
            assert not engine.regency.succession.confirmed
        finally:
            border.cancel()
            await asyncio.gather(border, return_exceptions=True)

    asyncio.run(scenario())
