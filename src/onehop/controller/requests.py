"""Requests to the API, counted under the names of their routes."""

from collections.abc import Iterable

from starlette.routing import Route

from onehop.metric.tally import Distribution, Tally

NOWHERE = ("none", "none")


class Requests:
    """Counts, in the event loop.

    Attributes:
        number: by resource, operation and status.
        seconds: by resource and operation.
    """

    def __init__(self) -> None:
        self.number = Tally()
        self.seconds = Distribution()
        self._named: dict[object, tuple[str, str]] = {}

    def know(self, routes: Iterable[Route]) -> None:
        """Take the names of routes, ``resource.operation``: nothing that a client wrote becomes a label."""
        for route in routes:
            resource, _, operation = route.name.partition(".")
            self._named[route.endpoint] = (resource, operation)

    def done(self, endpoint: object, status: int, seconds: float) -> None:
        """One was answered."""
        resource, operation = self._named.get(endpoint, NOWHERE)
        self.number.add(resource, operation, str(status))
        self.seconds.add(seconds, resource, operation)
