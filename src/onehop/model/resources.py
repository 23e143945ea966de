"""RESOURCES: the one list of what an operator may ask for.

Tables, REST, OpenAPI, policy and the tests that are generated follow from it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from onehop.model.floating_ip import FLOATING_IP, PORT_FORWARDING
from onehop.model.host import AGENT
from onehop.model.network import NETWORK
from onehop.model.port import BINDING, PORT
from onehop.model.rbac_policy import RBAC_POLICY
from onehop.model.resource import Resource
from onehop.model.router import ROUTER
from onehop.model.security_group import SECURITY_GROUP
from onehop.model.security_rule import SECURITY_GROUP_RULE
from onehop.model.subnet import SUBNET

RESOURCES: tuple[Resource, ...] = (
    NETWORK,
    RBAC_POLICY,
    SUBNET,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    PORT,
    BINDING,
    ROUTER,
    FLOATING_IP,
    PORT_FORWARDING,
    AGENT,
)
"""In an order in which a reference never points forward."""

BY_NAME: Mapping[str, Resource] = MappingProxyType({r.name: r for r in RESOURCES})
"""Resources by their singular name."""
