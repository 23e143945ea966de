"""Settings of the two daemons, read from TOML.

Every key has a default that works or is refused by name when it is missing; a key that we do not know, or whose value
has the wrong type, is refused with file, line and key. Paths are not created here.
"""

import ipaddress
import re
from pathlib import Path
from typing import Literal

import msgspec

from onehop import toml
from onehop.errors import IdentifierError, SettingsError
from onehop.net.endpoint import split_address
from onehop.net.identifier import parse_host
from onehop.net.naming import VXLAN_PORT, is_interface

DEFAULT_CONTROLLER_FILE = Path("/etc/onehop/controller.toml")
DEFAULT_AGENT_FILE = Path("/etc/onehop/agent.toml")
CONFIG_VARIABLE = "ONEHOP_AGENT_CONFIG"
"""Environment variable: the agent's configuration for commands that ask it, in place of `DEFAULT_AGENT_FILE`."""
_LONGEST_NAME = 64
_LONGEST = 31_536_000
"""Seconds of a year: no wait of a daemon is longer."""
_LARGEST = 1_000_000_000
_LIMITS = {
    "api_body_octets": 1024,
    "api_head_octets": 1024,
    "api_connections": 1,
    "api_connections_per_source": 1,
    "stream_connections": 1,
    "stream_frames_per_second": 10,
    "stream_joins_per_second": 0.1,
}
"""Limits of the controller, and the least with which it still works."""

DEFAULT_RUN_DIR = "/run/onehop"


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``controller.toml``.

    Attributes:
        database_url: ``sqlite:///PATH`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.
        state_dir: holds ``controller.json`` (bound addresses and process id).
        pki_dir: holds what ``onehop pki init`` made: CA, and the controller's key and certificate.
        api_listen: address and port of the API; port 0 takes a free one.
        api_tls_certificate: PEM file; the API speaks HTTPS when this and `api_tls_key` are given.
        api_tls_key: PEM file.
        api_body_octets: longest body of a request; a longer one is 413.
        api_head_octets: longest request line and headers together; longer ones are 431.
        api_connections: open to the API at a time; more are 503.
        api_connections_per_source: the same, of one address.
        api_requests_per_second: of one user at one address, and twice as many at once; more are 429. 0 is no limit.
        api_failed_logins_per_minute: of one address; after as many its next try is 429. 0 is no limit.
        api_public_url: how clients reach the API, for links in its answers; empty takes it from the request.
        auth: ``none`` (loopback only), ``http_basic`` or ``trusted_headers``.
        users_file: users with bcrypt hashes, for ``http_basic``; with ``none`` it lets requests name a user.
        policy_file: changes to the table of rights; `docs/api.md` says how it is written. None: there are none.
        trusted_proxies: for ``trusted_headers``: addresses whose identity headers are believed.
        stream_listen: address and port on which agents connect; port 0 takes a free one.
        stream_connections: open to the stream at a time; more are 503.
        stream_frames_per_second: of one agent, and four times as many at once; what is more waits.
        stream_joins_per_second: of one address that shows no certificate of a host, and 100 at once; more are 429.
        stream_address: how agents reach it, written into join tokens; empty takes the bound address.
        join_token_seconds: how long a join token is good for.
        heartbeat_seconds: how often agents show that they are alive.
        owner_detection_seconds: a gateway host whose agent gave no sign of life and whose kernel answered no other
            gateway host for this long is lost, and others take over what it owned.
        agent_down_seconds: after this long without a sign of life an agent is shown as not alive.
        underlay_mtu: MTU of the network between the hosts, in octets; networks get it less the overhead of VXLAN.
        underlay_version: 4 or 6, IP version of the hosts' VTEP addresses.
        vni_min: lowest VNI given to networks.
        vni_max: highest VNI given to networks.
        physical_networks: names that provider networks may use.
        mac_prefix: first three octets of the MACs given to ports and to routers' external legs.
        snat: of new routers: ``distributed`` (each host translates for its own instances) or ``centralized``.
        port_block_size: of new routers: source ports of one block, a power of two from 64 to 16384.
        port_block_quarantine_seconds: how long a port block that a host gave back is given to no other.
        metrics_listen: where ``/metrics``, ``/healthz``, ``/readyz`` are; others than the loopback need a token.
        metrics_token_file: holds the word that whoever asks there shows, as ``Authorization: Bearer WORD``.
        log_format: ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
        log_level: least severe level that is logged.
    """

    database_url: str = "sqlite:////var/lib/onehop/controller.sqlite"
    state_dir: str = "/var/lib/onehop"
    pki_dir: str = "/etc/onehop/pki"
    api_listen: str = "127.0.0.1:9696"
    api_tls_certificate: str | None = None
    api_tls_key: str | None = None
    api_body_octets: int = 4_194_304
    api_head_octets: int = 65_536
    api_connections: int = 4096
    api_connections_per_source: int = 1024
    api_requests_per_second: float = 1000.0
    api_failed_logins_per_minute: float = 30.0
    api_public_url: str = ""
    auth: Literal["none", "http_basic", "trusted_headers"] = "none"
    users_file: str | None = None
    policy_file: str | None = None
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    stream_listen: str = "0.0.0.0:9697"
    stream_connections: int = 10_000
    stream_frames_per_second: float = 500.0
    stream_joins_per_second: float = 5.0
    stream_address: str = ""
    join_token_seconds: int = 3600
    heartbeat_seconds: float = 1.0
    owner_detection_seconds: float = 1.0
    agent_down_seconds: float = 15.0
    underlay_mtu: int = 1500
    underlay_version: Literal[4, 6] = 4
    vni_min: int = 1
    vni_max: int = 16_777_215
    physical_networks: tuple[str, ...] = ()
    mac_prefix: str = "fa:16:3e"
    snat: Literal["distributed", "centralized"] = "distributed"
    port_block_size: int = 1024
    port_block_quarantine_seconds: float = 600.0
    metrics_listen: str = "127.0.0.1:9698"
    metrics_token_file: str | None = None
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``agent.toml``.

    Attributes:
        host: this host's name, as in ``onehop host add NAME``.
        controller: address and port of the controller's stream, or several, in any order.
        vtep: this host's IP address for VXLAN.
        underlay_interface: the interface with that address; its MTU is told to the controller. Empty looks it up.
        physical_networks: name of each physical network that this host reaches = the bridge that leads to it.
        gateway_host: may own routers' external addresses, if `onehop host add` or `set` let it.
        state_dir: local copy of the last view, plugs, key and certificate.
        run_dir: holds ``agent.sock``.
        vxlan_port: UDP port of VXLAN.
        probe_seconds: how often a gateway host asks the other gateway hosts' kernels whether they are there.
        observe_seconds: how often everything is read back from the kernel, to find what changed without notice.
        reconnect_seconds: longest wait between attempts to reach the controller.
        shortcut: packets of established flows pass by bridge, router and rules, where the kernel can (Linux 6.6, eBPF).
        metrics_listen: where ``/metrics``, ``/healthz``, ``/readyz`` are; others than the loopback need a token.
        metrics_token_file: holds the word that whoever asks there shows, as ``Authorization: Bearer WORD``.
        log_format: ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
        log_level: least severe level that is logged.
    """

    host: str
    controller: str | tuple[str, ...]
    vtep: str
    underlay_interface: str = ""
    physical_networks: dict[str, str] = {}
    gateway_host: bool = False
    state_dir: str = "/var/lib/onehop-agent"
    run_dir: str = DEFAULT_RUN_DIR
    vxlan_port: int = VXLAN_PORT
    probe_seconds: float = 0.2
    observe_seconds: float = 55.0
    reconnect_seconds: float = 10.0
    shortcut: bool = True
    metrics_listen: str = "127.0.0.1:9699"
    metrics_token_file: str | None = None
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def controllers(self) -> tuple[str, ...]:
        """Addresses of the controllers' streams."""
        return (self.controller,) if isinstance(self.controller, str) else self.controller


def load_controller(path: Path) -> ControllerSettings:
    """Read ``controller.toml``.

    Raises:
        SettingsError: names file, line and key.
    """
    settings = toml.load(path, ControllerSettings)
    for key in ("database_url", "state_dir", "pki_dir"):
        _given(path, key, getattr(settings, key))
    for name in settings.physical_networks:
        _physical_network(path, name)
    for key in ("api_listen", "stream_listen"):
        _address(path, key, getattr(settings, key))
    for key in ("stream_address", "metrics_listen"):
        if getattr(settings, key):
            _address(path, key, getattr(settings, key))
    if (settings.api_tls_certificate is None) != (settings.api_tls_key is None):
        raise toml.error(
            path, "api_tls_certificate", "api_tls_certificate and api_tls_key are given together or not at all"
        )
    if settings.auth == "http_basic" and settings.users_file is None:
        raise toml.error(path, "auth", 'auth = "http_basic" needs users_file')
    if not 1 <= settings.vni_min <= settings.vni_max <= 16_777_215:
        raise toml.error(path, "vni_min", "vni_min and vni_max must lie in 1 to 16777215, vni_min first")
    if not 1280 <= settings.underlay_mtu <= 65_535:
        raise toml.error(path, "underlay_mtu", "underlay_mtu must be 1280 to 65535")
    if re.fullmatch(r"[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}", settings.mac_prefix) is None:
        raise toml.error(path, "mac_prefix", "mac_prefix must be three octets such as fa:16:3e, in lower case")
    if int(settings.mac_prefix[:2], 16) & 1:
        raise toml.error(path, "mac_prefix", "mac_prefix must not begin with an odd octet: that is a multicast MAC")
    size = settings.port_block_size
    if not 64 <= size <= 16_384 or size & (size - 1):
        raise toml.error(path, "port_block_size", "port_block_size must be a power of two from 64 to 16384")
    for key in ("api_requests_per_second", "api_failed_logins_per_minute"):
        if not 0 <= getattr(settings, key) <= _LARGEST:
            raise toml.error(path, key, f"{key} must be 0 (no limit) to {_LARGEST}")
    for key, least in _LIMITS.items():
        if not least <= getattr(settings, key) <= _LARGEST:
            raise toml.error(path, key, f"{key} must be {least} to {_LARGEST}")
    for key in (
        "port_block_quarantine_seconds",
        "heartbeat_seconds",
        "owner_detection_seconds",
        "agent_down_seconds",
        "join_token_seconds",
    ):
        _positive(path, key, getattr(settings, key))
    return settings


def load_agent(path: Path) -> AgentSettings:
    """Read ``agent.toml``.

    Raises:
        SettingsError: names file, line and key.
    """
    settings = toml.load(path, AgentSettings)
    for key in ("state_dir", "run_dir"):
        _given(path, key, getattr(settings, key))
    for name, bridge in settings.physical_networks.items():
        _physical_network(path, name)
        if not is_interface(bridge):
            what = f"physical_networks: {bridge!r} (of {name}) cannot be the name of a bridge"
            raise toml.error(path, "physical_networks", f"{what}: write 1 to 15 octets without '/', ':' or white space")
    try:
        parse_host(settings.host)
    except IdentifierError as error:
        raise toml.error(path, "host", str(error)) from None
    if not settings.controllers:
        raise toml.error(path, "controller", "controller must name at least one address")
    for address in settings.controllers:
        _address(path, "controller", address)
    if settings.metrics_listen:
        _address(path, "metrics_listen", settings.metrics_listen)
    try:
        ipaddress.ip_address(settings.vtep)
    except ValueError:
        raise toml.error(path, "vtep", f"vtep must be an IP address, not {settings.vtep!r}") from None
    if not 1 <= settings.vxlan_port <= 65_535:
        raise toml.error(path, "vxlan_port", "vxlan_port must be 1 to 65535")
    for key in ("probe_seconds", "observe_seconds", "reconnect_seconds"):
        _positive(path, key, getattr(settings, key))
    return settings


def _address(path: Path, key: str, text: str) -> None:
    try:
        split_address(text)
    except SettingsError as error:
        raise toml.error(path, key, f"{key}: {error}") from None


def _given(path: Path, key: str, value: str) -> None:
    if not value.strip():
        raise toml.error(path, key, f"{key} must not be empty: leave it out for its default")


def _physical_network(path: Path, name: str) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or name != name.strip():
        what = f"physical_networks: {name!r} cannot be the name of a physical network"
        raise toml.error(path, "physical_networks", f"{what}: write 1 to {_LONGEST_NAME} characters")


def _positive(path: Path, key: str, value: float) -> None:
    if not 0 < value <= _LONGEST:
        raise toml.error(path, key, f"{key} must be more than 0 and at most {_LONGEST}")
