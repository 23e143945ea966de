"""Python's cyclic garbage collector, kept away from a pass."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Do something without the collector.

    A pass makes thousands of values without a cycle among them: reference counting frees them all. The collector would
    start many times on their account and, on a host with 500 routers, look through some hundred thousand objects in
    vain, for 40 ms.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
