"""Grants: which other projects use something as if it were theirs to use.

Objects are networks. ``access_as_shared``: the target sees network and subnets and puts ports on it. With
``access_as_external`` it sees the network and gives its routers gateways, and itself floating IPs, there. The target is
a project's id, or "*" for all.
"""

from onehop.model.attribute import ID, REQUIRED, TEXT, Column, reference, stored
from onehop.model.kind import one_of, text
from onehop.model.resource import Extension, Resource, owner

RBAC_POLICY = Resource(
    name="rbac_policy",
    collection="rbac_policies",
    path="rbac-policies",
    attributes=(
        ID,
        *owner(),
        stored("object_type", one_of("network"), TEXT, post=True, default=REQUIRED),
        reference("object_id", "network", post=True),
        stored("action", one_of("access_as_shared", "access_as_external"), TEXT, post=True, default=REQUIRED),
        stored(
            "target_tenant",
            text(),
            Column(type="text", index=True),
            post=True,
            put=True,
            default=REQUIRED,
        ),
    ),
    tags=False,
    unique=(("object_id", "action", "target_tenant"),),
    logged="bumps",
    extensions=(
        Extension(
            "rbac-policies",
            "RBAC policies",
            "Networks are shared with, or external for, chosen projects.",
            "2015-06-17T12:15:12-30:00",
        ),
    ),
)
"""`shared` of a network says that there is a grant for all, `router:external` that there is any of that action."""
