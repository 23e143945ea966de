"""The last answer of a pure function, for as long as it is asked the same: of a host's thousand ports most changes are
about none. It keeps that one question and answer alive, and no more.
"""

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Latest(Generic[P, T]):
    """A function without side effects that remembers its last answer.

    Arguments are compared by value, so they must not change later; parts that are the very same objects cost nearly
    nothing to compare, as those of two views that follow each other are. Whoever gets the answer must not change it.
    """

    def __init__(self, function: Callable[P, T]) -> None:
        self.__doc__ = function.__doc__
        self._function = function
        self._last: tuple[object, T] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's answer."""
        last = self._last
        if last is not None and last[0] == (args, kwargs):
            return last[1]
        answer = self._function(*args, **kwargs)
        # In one step: others may ask at the same time.
        self._last = ((args, kwargs), answer)
        return answer
