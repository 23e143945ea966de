"""Questions of many to the store, answered together: those who come while an answer is made share the next one.

A thousand agents that come back at once are so a few transactions, and one that comes alone waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from onehop.errors import OnehopError, StoreError

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Asks for many at once.

    Args:
        answer: called in a thread, never twice at a time; the answer to each question, in order, or why there is none.
        most: questions that are answered in one call.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A | OnehopError]], most: int) -> None:
        self._answer = answer
        self._most = most
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer to one question.

        Raises:
            OnehopError: there is none, or whatever else `answer` raised.
        """
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._working is None or self._working.done():
            self._working = asyncio.ensure_future(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                if not await self._settle(batch):
                    # What one of them asked must not be the others' failure.
                    for one in batch:
                        await self._settle([one])
            finally:
                for _, future in batch:
                    future.cancel()  # nobody is left waiting when this ends; who has the answer has it

    async def _settle(self, batch: list[tuple[Q, "asyncio.Future[A]"]]) -> bool:
        """Answer some; whether that is done, or they have to be asked one by one."""
        questions = [question for question, _ in batch]
        working = asyncio.ensure_future(asyncio.to_thread(self._answer, questions))
        await asyncio.wait((working,))
        error = working.exception()
        if isinstance(error, OnehopError) and not isinstance(error, StoreError) and len(batch) > 1:
            return False
        answers = [error] * len(batch) if error is not None else working.result()
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue  # whoever asked has gone
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        return True
