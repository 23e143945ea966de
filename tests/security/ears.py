"""Everybody who could hear what a stranger outside has sent, while the stranger sends."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from tests.dataplane_north.places import Place
from tests.dataplane_north.site import Site
from tests.security.range import heard, waiting

STRANGER = "02:00:00:66:66:66"
_STRANGER = bytes.fromhex(STRANGER.replace(":", ""))


class Ears:
    """Hears every instance, the underlay of every host, and upstream, while attacks go in from upstream.

    Args:
        site: whose hosts and upstream.
        instances: what else hears, by name.
        last: sends what has to pass, everywhere where attacks could: when it has passed, everything before it has, too.
    """

    def __init__(self, site: Site, instances: Mapping[str, Place], last: Callable[[], None]) -> None:
        self._last = last
        self._stack = ExitStack()
        self._listening: list[tuple[str, Place, str]] = [(name, place, "eth0") for name, place in instances.items()]
        self._listening += [(f"underlay of {m.name}", m.place, "eth0") for m in site.machines.values()]
        self._listening.append(("upstream", site.upstream, "ext0"))

    def __enter__(self) -> "Ears":
        self._frames: dict[str, list[bytes]] = {name: [] for name, _, _ in self._listening}
        self._socks = {name: self._stack.enter_context(heard(place, link)) for name, place, link in self._listening}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def heard(self, token: bytes) -> dict[str, int]:
        """Who heard something with a token, how often; not what the stranger itself has sent."""
        return self.each({"": token}).get("", {})

    def each(self, tokens: Mapping[str, bytes]) -> dict[str, dict[str, int]]:
        """The same for tokens by name: those that somebody heard."""
        self._last()
        for name, sock in self._socks.items():
            self._frames[name] += [f for f in waiting(sock) if f[6:12] != _STRANGER]
        found = {name: self._counts(token) for name, token in tokens.items()}
        return {name: counts for name, counts in found.items() if counts}

    def _counts(self, token: bytes) -> dict[str, int]:
        counts = {name: sum(token in frame for frame in frames) for name, frames in self._frames.items()}
        return {name: count for name, count in counts.items() if count}
