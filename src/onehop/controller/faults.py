"""Every error that the API answers with: type, status and sentence, as one table.

Clients tell errors apart by ``NeutronError.type`` and status, so both are part of the contract (OpenStack Networking
API). A `FaultError` is data that is raised; nothing here knows HTTP beyond the number.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from onehop.errors import OnehopError

STATUS: Mapping[str, int] = MappingProxyType(
    {
        # 400: what was sent cannot be used
        "BadRequest": 400,
        "HTTPBadRequest": 400,
        "InvalidInput": 400,
        "InvalidIpForSubnet": 400,
        "InvalidIpForNetwork": 400,
        "InvalidAllocationPool": 400,
        "OutOfBoundsAllocationPool": 400,
        "InvalidRoutes": 400,
        "RoutesExhausted": 400,
        "HostRoutesExhausted": 400,
        "AllowedAddressPairsMissingIP": 400,
        "DuplicateAddressPairInRequest": 400,
        "AllowedAddressPairExhausted": 400,
        "SecurityGroupRuleInvalidProtocol": 400,
        "SecurityGroupRuleInvalidEtherType": 400,
        "SecurityGroupRuleParameterConflict": 400,
        "SecurityGroupEthertypeConflictWithProtocol": 400,
        "SecurityGroupMultipleRemoteEntites": 400,
        "SecurityGroupProtocolRequiredWithPorts": 400,
        "SecurityGroupInvalidProtocolForPort": 400,
        "SecurityGroupInvalidPortRange": 400,
        "SecurityGroupInvalidPortValue": 400,
        "SecurityGroupInvalidIcmpValue": 400,
        "SecurityGroupMissingIcmpType": 400,
        # 401, 403: who asks
        "Unauthorized": 401,
        "PolicyNotAuthorized": 403,
        # 404: what was named is not there, or not for the caller to see
        "HTTPNotFound": 404,
        "NetworkNotFound": 404,
        "SubnetNotFound": 404,
        "PortNotFound": 404,
        "PortBindingNotFound": 404,
        "SecurityGroupNotFound": 404,
        "SecurityGroupRuleNotFound": 404,
        "RouterNotFound": 404,
        "FloatingIPNotFound": 404,
        "ExternalGatewayForFloatingIPNotFound": 404,
        "PortForwardingNotFound": 404,
        "RouterInterfaceNotFound": 404,
        "RouterInterfaceNotFoundForSubnet": 404,
        "AgentNotFound": 404,
        "RbacPolicyNotFound": 404,
        "TagNotFound": 404,
        "ExtensionNotFound": 404,
        "HTTPMethodNotAllowed": 405,
        # 409: it clashes with what is there
        "NetworkInUse": 409,
        "NetworkMTUSubnetConflict": 409,
        "InvalidSharedSetting": 409,
        "RbacPolicyInUse": 409,
        "DuplicateRbacPolicy": 409,
        "TunnelIdInUse": 409,
        "FlatNetworkInUse": 409,
        "NoNetworkAvailable": 409,
        "SubnetInUse": 409,
        "GatewayIpInUse": 409,
        "GatewayConflictWithAllocationPools": 409,
        "OverlappingAllocationPools": 409,
        "PortInUse": 409,
        "PortBound": 409,
        "DeviceIDNotOwnedByTenant": 409,
        "SubnetMismatchForPort": 409,
        "ServicePortInUse": 409,
        "IpAddressAlreadyAllocated": 409,
        "IpAddressGenerationFailure": 409,
        "MacAddressInUse": 409,
        "AddressPairAndPortSecurityRequired": 409,
        "PortSecurityPortHasSecurityGroup": 409,
        "SecurityGroupInUse": 409,
        "SecurityGroupRuleExists": 409,
        "SecurityGroupDefaultAlreadyExists": 409,
        "SecurityGroupCannotRemoveDefault": 409,
        "SecurityGroupCannotUpdateDefault": 409,
        "OverQuota": 409,
        "PortBindingAlreadyExists": 409,
        "PortBindingAlreadyActive": 409,
        "PortBindingError": 409,
        "RouterInUse": 409,
        "RouterInterfaceOnFlatNetwork": 409,
        "RouterInterfaceInUseByRoute": 409,
        "RouterInterfaceInUseByFloatingIP": 409,
        "RouterExternalGatewayInUseByFloatingIp": 409,
        "ExternalNetworkInUse": 409,
        "FloatingIPPortAlreadyAssociated": 409,
        "FipInUseByPortForwarding": 409,
        "PortHasBindingFloatingIP": 409,
        "PortHasPortForwarding": 409,
        "AgentInUse": 409,
        "InUse": 409,
        # the rest
        "RevisionNumberConstraintFailed": 412,
        "HTTPRequestTimeout": 408,
        "HTTPRequestEntityTooLarge": 413,
        "HTTPTooManyRequests": 429,
        "HTTPInternalServerError": 500,
        "ServiceUnavailable": 503,
    }
)
"""Type → HTTP status."""


class FaultError(OnehopError):
    """An answer that is an error.

    Attributes:
        type: a key of `STATUS`.
        message: one sentence for the person who reads it.
    """

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.type]

    @property
    def body(self) -> dict[str, Any]:
        """The body, as clients of the Networking API expect it."""
        return {"NeutronError": {"type": self.type, "message": self.message, "detail": ""}}


_NOUNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "floatingip": ("FloatingIP", "Floating IP"),
        "port_forwarding": ("PortForwarding", "Port forwarding"),
        "rbac_policy": ("RbacPolicy", "RBAC policy"),
        "binding": ("PortBinding", "Binding for host"),
        "security_group": ("SecurityGroup", "Security group"),
        "security_group_rule": ("SecurityGroupRule", "Security group rule"),
    }
)
"""Resource → as in the error's type, and in a sentence; others are one word."""


def not_found(resource: str, id: str) -> FaultError:
    """`id` names no resource of that kind which the caller may see."""
    type, noun = _NOUNS.get(resource, (resource.capitalize(), resource.capitalize()))
    return FaultError(f"{type}NotFound", f"{noun} {id[:64]} could not be found.")


def bad_request(message: str) -> FaultError:
    """What was sent cannot be used."""
    return FaultError("HTTPBadRequest", message)


def forbidden(action: str) -> FaultError:
    """The caller may see it but not do that, as the reference words it."""
    return FaultError("PolicyNotAuthorized", f"rule:{action} is disallowed by policy")
