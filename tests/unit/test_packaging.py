"""The systemd units keep the promises that the data plane needs."""

import re
import subprocess
from pathlib import Path

import pytest

from onehop.kernel import capability

PACKAGING = Path(__file__).parents[2] / "packaging"

MOUNT_NAMESPACE = {
    "BindLogSockets", "BindPaths", "BindReadOnlyPaths", "ConfigurationDirectory=", "DynamicUser", "ExecPaths",
    "ExtensionDirectories", "ExtensionImages", "ImportCredential", "InaccessiblePaths", "JoinsNamespaceOf",
    "LoadCredential", "LoadCredentialEncrypted", "LogNamespace", "MountAPIVFS", "MountFlags", "MountImages",
    "NetworkNamespacePath", "NoExecPaths", "PrivateDevices", "PrivateIPC", "PrivateMounts", "PrivateNetwork",
    "PrivateTmp", "PrivateUsers", "ProcSubset", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectSystem",
    "ReadOnlyPaths", "ReadWritePaths", "RootDirectory", "RootEphemeral", "RootHash", "RootImage", "SetCredential",
    "SetCredentialEncrypted", "TemporaryFileSystem",
}  # fmt: skip
"""Options of systemd.exec(5) that make a mount (or another) namespace, directly or as a side effect."""


def unit(name: str) -> dict[str, list[str]]:
    """Directives of a unit, with all their values."""
    found: dict[str, list[str]] = {}
    for line in (PACKAGING / "systemd" / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def test_the_agents_unit_makes_no_mount_namespace() -> None:
    assert unit("onehop-agent.service").keys() & MOUNT_NAMESPACE == set()


def test_the_agents_unit_bounds_what_the_agent_may_do() -> None:
    agent = unit("onehop-agent.service")
    allowed = {"CAP_BPF", "CAP_NET_ADMIN", "CAP_NET_BROADCAST", "CAP_NET_RAW", "CAP_SYS_ADMIN"}
    assert set(agent["CapabilityBoundingSet"][0].split()) == allowed
    assert agent["NoNewPrivileges"] == ["yes"]
    assert agent["SystemCallFilter"] == ["@system-service @mount bpf"]
    assert set(agent["RestrictAddressFamilies"][0].split()) == {
        "AF_UNIX",
        "AF_INET",
        "AF_INET6",
        "AF_NETLINK",
        "AF_PACKET",
    }


def test_the_agent_may_make_network_namespaces_and_no_others() -> None:
    assert unit("onehop-agent.service")["RestrictNamespaces"] == ["net"]


def test_the_agent_opens_no_device_but_the_one_that_makes_taps() -> None:
    agent = unit("onehop-agent.service")
    assert agent["DevicePolicy"] == ["closed"]
    assert agent["DeviceAllow"] == ["/dev/net/tun rw"]


def test_the_agents_capabilities_are_those_that_it_keeps_by_itself_and_one_to_begin_with() -> None:
    allowed = unit("onehop-agent.service")["CapabilityBoundingSet"][0].split()
    assert {capability.name(number) for number in capability.NEEDED | capability.AT_START} == set(allowed)


EXPOSURE = {"onehop-agent.service": 4.8, "onehop-controller.service": 1.2}
"""What `systemd-analyze security` says at most, of 10. What is left to the agent is what it is there for: it changes
networks, and it must share the mount namespace of the host."""


@pytest.mark.parametrize("name", sorted(EXPOSURE))
def test_a_unit_is_as_tight_as_it_was(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(PACKAGING / "systemd" / name)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    (level,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(level) <= EXPOSURE[name]


def test_the_controllers_unit_has_no_capability() -> None:
    controller = unit("onehop-controller.service")
    assert controller["CapabilityBoundingSet"] == [""]
    assert controller["ProtectSystem"] == ["strict"]
    assert controller["User"] == ["onehop"]


@pytest.mark.parametrize("name", ["onehop-agent.service", "onehop-controller.service"])
def test_a_daemon_comes_back_and_says_when_it_is_ready(name: str) -> None:
    assert unit(name)["Restart"] == ["always"]
    assert unit(name)["Type"] == ["notify"]


def test_the_neighbour_table_is_large_enough_for_both_families() -> None:
    text = (PACKAGING / "sysctl.d" / "60-onehop.conf").read_text()
    for family in ("ipv4", "ipv6"):
        [line] = [line for line in text.splitlines() if line.startswith(f"net.{family}.neigh.default.gc_thresh3")]
        assert int(line.partition("=")[2]) >= 32_768
