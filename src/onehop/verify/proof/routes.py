"""Which destinations and sources a namespace routes alike."""

from functools import lru_cache

from onehop.net import address
from onehop.verify.proof.alike import WHOLE, same
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import Numbers, both
from onehop.verify.route import LINK_LOCALS, NOBODYS, routes_of
from onehop.verify.space import Space


def same_route(space: Space, destination: str, source: str, mark: int) -> tuple[Numbers, Numbers]:
    """The destinations and the sources for which every rule and every table of a namespace says the same.

    Tables that no rule with this mark leads to are not looked at; in the others a destination is alike with those that
    lie in the same prefixes.
    """
    version = address.version(destination)
    rules = [r for r in space.rules if r.family == version and (not r.mask or mark & r.mask == r.mark & r.mask)]
    number = ip_number(destination)
    to = same(number, (span_of(rule.destination) for rule in rules if rule.destination is not None))
    sources = [span_of(rule.source) for rule in rules if rule.source is not None]
    for table in sorted({rule.table for rule in rules}):
        prefixes = {one.destination for one in routes_of(space, table) if address.version(one.destination) == version}
        to = both(to, same(number, map(span_of, prefixes)))
    sources += [span_of(prefix) for prefix in NOBODYS[version]]
    if version == 6:
        to = both(to, same(number, iter([_LINKED])))
        sources.append(_LINKED)
    return to, same(ip_number(source), iter(sources)) if sources else WHOLE


@lru_cache(maxsize=65536)
def span_of(prefix: str) -> Numbers:
    """A prefix as a set."""
    network = address.network_of(prefix)
    return ((int(network.network_address), int(network.broadcast_address)),)


_LINKED = span_of(LINK_LOCALS)
