"""Which partitions are in doubt when somebody changed something in the kernel. Pure."""

from collections.abc import Mapping

from onehop.agent.desire import Desire, partition_of_namespace
from onehop.agent.holding import Holding
from onehop.net import naming
from onehop.objects import Key


def suspects(
    namespace: str, link: str | None, desire: Desire, holding: Holding, failing: Mapping[str, Mapping[Key, str]]
) -> set[str]:
    """Names of partitions that hold, or want, what was changed.

    Args:
        namespace, link: where; None: anywhere in the namespace.
        desire: what is wanted.
        holding: what was found.
        failing: by partition what is not as it should be: a link that could not be made is nobody's yet.
    """
    if namespace != naming.HOST:
        name = partition_of_namespace(namespace)
        return {name} if name is not None and (name in desire.partitions or name in holding.partitions) else set()
    if link is None:
        return {name for name in desire.partitions if not name.startswith("router/")}
    key = ("link", naming.HOST, link)
    owner = holding.owner(link) or next((name for name, keys in failing.items() if key in keys), None)
    return {owner} if owner is not None else set()
