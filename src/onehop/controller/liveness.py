"""Liveness: which gateway hosts are lost. Pure: times are given.

A host is *lost* when its data plane is gone: its agent is silent **and** its kernel no longer answers probes of any
other gateway host whose agent speaks to us, and at least one such host has probed it. A dead agent over a live kernel
is degraded, and keeps its addresses. After its own start a controller judges nobody for one detection time, because
everybody was silent to it until then.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from onehop.net.identifier import HostName


class Seen(msgspec.Struct, frozen=True):
    """What an agent last said: when, and whom it reaches.

    Attributes:
        at: seconds, by the controller's clock.
        answering, silent: other gateway hosts whose kernels answer it, or do not.
    """

    at: float
    answering: frozenset[HostName] = frozenset()
    silent: frozenset[HostName] = frozenset()


class Liveness:
    """Judges by what agents said.

    Args:
        detection: seconds of silence that make an agent silent.
        now: seconds; the beginning of this controller's life.
    """

    def __init__(self, detection: float, now: float) -> None:
        self._detection = detection
        self._start = now
        self._seen: dict[HostName, Seen] = {}

    def hear(self, host: HostName, now: float, answering: Iterable[str] = (), silent: Iterable[str] = ()) -> None:
        """An agent gave a sign of life and said whom it reaches."""
        self._seen[host] = Seen(now, frozenset(HostName(h) for h in answering), frozenset(HostName(h) for h in silent))

    def forget(self, host: HostName) -> None:
        """A host was removed."""
        self._seen.pop(host, None)

    def spoke(self, host: HostName) -> float:
        """When a host's agent last spoke to this controller; before it began, if it never did."""
        seen = self._seen.get(host)
        return seen.at if seen is not None else float("-inf")

    def silent(self, host: HostName, now: float) -> bool:
        """Whether a host's agent has not spoken for the detection time."""
        seen = self._seen.get(host)
        return now - (seen.at if seen is not None else self._start) >= self._detection

    def suspects(self) -> set[HostName]:
        """Hosts that somebody says does not answer: nobody else needs to be judged."""
        return {host for seen in self._seen.values() for host in seen.silent}

    def lost(
        self,
        hosts: Iterable[HostName],
        now: float,
        elsewhere: Mapping[HostName, float] | None = None,
        entitled: Mapping[str, Collection[str]] | None = None,
    ) -> set[HostName]:
        """Those of some hosts that are lost.

        Args:
            hosts: whom to judge.
            now: seconds, by the same clock.
            elsewhere: host → when its agent last spoke to another controller.
            entitled: host → those whose word about it counts; None is everybody's.
        """
        if now - self._start < self._detection:
            return set()
        spoken = elsewhere or {}
        observers = {name: seen for name, seen in self._seen.items() if now - seen.at < self._detection}
        return {
            host
            for host in hosts
            if self.silent(host, now)
            and now - spoken.get(host, self._start) >= self._detection
            and self._nobody_reaches(
                host,
                [
                    seen
                    for name, seen in observers.items()
                    if name != host and (entitled is None or name in entitled.get(host, ()))
                ],
            )
        }

    @staticmethod
    def _nobody_reaches(host: HostName, others: Sequence[Seen]) -> bool:
        return any(host in seen.silent for seen in others) and not any(host in seen.answering for seen in others)
