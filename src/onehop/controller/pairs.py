"""Allowed address pairs: what a port may use besides its own MAC and addresses."""

from onehop.controller.faults import FaultError, bad_request
from onehop.errors import AddressError
from onehop.model.kind import shown
from onehop.net import address
from onehop.store import Row

MAXIMUM = 64
"""Pairs of one port."""

_NOBODYS = ("0.0.0.0/32", "127.0.0.0/8", "169.254.169.254/32", "255.255.255.255/32", "::/128", "::1/128")
"""No instance's: who asks without an address yet (RFC 5227), one's own, where metadata are asked for, everybody."""


def checked(port: Row) -> list[Row]:
    """A port's pairs in canonical form, each with a MAC (the port's own where none was given).

    Raises:
        FaultError: 400 for a pair that cannot be, 409 when the port is not protected in the first place.
    """
    pairs = port["allowed_address_pairs"]
    if pairs and not port["port_security_enabled"]:
        raise FaultError(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )
    if len(pairs) > MAXIMUM:
        raise FaultError(
            "AllowedAddressPairExhausted", f"The number of allowed address pair exceeds the maximum {MAXIMUM}."
        )
    found: list[Row] = []
    for pair in pairs:
        canonical = _canonical(pair, port["mac_address"])
        if canonical in found:
            raise FaultError(
                "DuplicateAddressPairInRequest",
                f"Request contains duplicate address pair: mac_address {canonical['mac_address']} ip_address "
                f"{canonical['ip_address']}.",
            )
        found.append(canonical)
    return found


def _canonical(pair: Row, mac: str) -> Row:
    text = pair.get("ip_address")
    if not text:
        raise FaultError("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address")
    try:
        ip = address.parse_prefix(text, strict=False) if "/" in text else address.parse_ip(text)
    except AddressError:
        raise bad_request(
            f"Invalid input for allowed_address_pairs. Reason: {shown(text)} is not a valid IP address or subnet."
        ) from None
    head = ip.partition("/")[0]
    if address.contains("224.0.0.0/4", head) or address.contains("ff00::/8", head):
        raise bad_request(f"Invalid input for allowed_address_pairs. Reason: {ip} is multicast.")
    length = address.prefix_length(ip) if "/" in ip else 128
    if any(address.contains(one, head) and length >= address.prefix_length(one) for one in _NOBODYS):
        raise bad_request(
            f"Invalid input for allowed_address_pairs. Reason: no instance has the address {head}; name addresses that "
            "it answers for."
        )
    return {"mac_address": pair.get("mac_address", mac), "ip_address": ip}
