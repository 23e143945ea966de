"""Which request to the API made which revision: of the latest commits of this process, for logs. Nothing is stored."""

from collections import deque

REMEMBERED = 10_000


class Causes:
    """Remembers. Thread-safe: a deque is added to, and copied, in one step."""

    def __init__(self) -> None:
        self._known: deque[tuple[int, str]] = deque(maxlen=REMEMBERED)

    def add(self, revision: int, request: str) -> None:
        """A request made a revision."""
        self._known.append((revision, request))

    def between(self, after: int, until: int) -> tuple[str, ...]:
        """The requests of the revisions after one and until another, as far as they are known."""
        return tuple(request for revision, request in list(self._known) if after < revision <= until)
