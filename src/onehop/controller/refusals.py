"""What the store refuses, as errors of the API: one table for constraints, one for the rest."""

from collections.abc import Mapping
from types import MappingProxyType

from onehop.controller.faults import FaultError, bad_request
from onehop.errors import (
    BusyError,
    InputError,
    NotFoundError,
    OnehopError,
    PoolFullError,
    ReferencedError,
    SettingsError,
    TakenError,
    UnusableError,
)

_TAKEN: Mapping[tuple[str, str], tuple[str, str]] = MappingProxyType(
    {
        ("network", "provider:segmentation_id"): (
            "TunnelIdInUse",
            "Unable to create the network. The VNI (provider:segmentation_id) is in use.",
        ),
        ("network", "provider:physical_network"): (
            "FlatNetworkInUse",
            "Unable to create the flat network. The physical network is in use.",
        ),
        ("vni", "vni"): (
            "TunnelIdInUse",
            "Unable to create the network. The VNI (provider:segmentation_id) is in use by a router's gateway.",
        ),
        ("rbac_policy", "target_tenant"): (
            "DuplicateRbacPolicy",
            "An RBAC policy already exists with those values.",
        ),
        ("floatingip", "fixed_ip_address"): (
            "FloatingIPPortAlreadyAssociated",
            "The address of the port has a floating IP of this network already.",
        ),
        ("port_forwarding", "external_first"): (
            "BadRequest",
            "Bad port_forwarding request: the floating IP forwards this external port already.",
        ),
        ("port", "mac_address"): (
            "MacAddressInUse",
            "Unable to complete operation for this network. The MAC address is in use.",
        ),
        ("allocation", "ip_address"): ("IpAddressAlreadyAllocated", "IP address already allocated in the subnet."),
        ("binding", "host"): ("PortBindingAlreadyExists", "A binding of the port to this host already exists."),
    }
)
"""(resource, last attribute of the group) → type and sentence."""


def fault(error: OnehopError) -> FaultError:
    """The API's error for one of ours; a `FaultError` is one already."""
    if isinstance(error, FaultError):
        return error
    if isinstance(error, TakenError):
        type, message = _TAKEN.get((error.resource, error.attributes[-1]), ("InUse", f"{error}."))
        return FaultError(type, message)
    if isinstance(error, ReferencedError):
        return FaultError("InUse", "Something that it needs is gone, or something else still uses it.")
    if isinstance(error, PoolFullError):
        return FaultError("IpAddressGenerationFailure", f"{error}.")
    if isinstance(error, NotFoundError):
        return FaultError("HTTPNotFound", f"{error}.")
    if isinstance(error, BusyError):
        return FaultError("ServiceUnavailable", "The database is busy or not reachable; try again.")
    if isinstance(error, UnusableError):
        return FaultError(
            "ServiceUnavailable",
            "The database cannot be used now, so nothing was changed; the controller's log says why. Try again later.",
        )
    if isinstance(error, SettingsError):
        return FaultError("ServiceUnavailable", "The controller's configuration cannot be used now; its log says why.")
    if isinstance(error, InputError):
        return bad_request(f"{error}.")
    return FaultError("HTTPInternalServerError", "Request Failed: internal server error while processing your request.")
