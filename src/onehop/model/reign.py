"""Reigns: which host acts as the owner of a router's external addresses, as hosts agree while no controller tells them.

Of two that are known of a router the later one counts, everywhere; so hosts that hear of the same ones agree, in
whatever order they heard. The controller's own word is a reign of epoch 0.
"""

import msgspec

from onehop.net.identifier import HostName, RouterId


class Reign(msgspec.Struct, frozen=True, kw_only=True):
    """That a host acts as the owner of a router, or has laid that down.

    Attributes:
        router: its id.
        generation: of the last owner that a controller chose, as `onehop.model.gateway.Gateway.generation`.
        epoch: raised with each host that takes over by itself since then.
        owner: who acts.
        vacant: it does not act any more, and nobody has followed yet.
        blind: who took over reached no other host over the underlay.
    """

    router: RouterId
    generation: int
    epoch: int
    owner: HostName
    vacant: bool = False
    blind: bool = False

    @property
    def rank(self) -> tuple[int, int, HostName, bool]:
        """What decides which of two is later."""
        return (self.generation, self.epoch, self.owner, self.vacant)

    @property
    def own(self) -> bool:
        """Hosts came to it by themselves: no controller said so."""
        return self.epoch > 0 or self.vacant
