"""The model judges what an instance says as the kernel does (tests/security has the same with packets)."""

import pytest
from msgspec.structs import replace

from onehop.compiler import Local, Plug, compile_host
from onehop.model.port import Port
from onehop.model.protection import REASONS
from onehop.net.address import link_local
from onehop.net.naming import tap_table
from onehop.objects import Ruleset
from onehop.verify.nft.evaluate import evaluate
from onehop.verify.nft.parse import parse
from onehop.verify.nft.ruling import Ruling
from onehop.verify.packet import Arp, Frame, Packet, advertisement, solicitation
from onehop.verify.subject import Passing
from onehop.verify.trace import Question, Trace, trace
from tests.northern import Northern
from tests.unit.verify.world import model

VMAC, VIP, VIP6 = "00:00:5e:00:01:07", "10.0.1.200", "fd00:1::200"


class Stage:
    """A protected port, one with pairs, one with pairs for everything, one without protection, and one to talk to."""

    def __init__(self) -> None:
        self.world = Northern(six=True)
        self.world.network(1)
        self.world.router(1, [1])
        self.plain = self.world.port(1, 1)
        self.paired = self.world.port(1, 1, pairs=[(VMAC, VIP), (VMAC, VIP6)])
        self.wide = self.world.port(1, 1, pairs=[("fa:16:3e:01:00:03", "0.0.0.0/0"), ("fa:16:3e:01:00:03", "::/0")])
        self.open = self.world.port(1, 1)
        self.other = self.world.port(1, 2)
        self.world.change(self.open.id, port_security_enabled=False)

    def asked(self, port: Port, source: str, destination: str) -> Trace:
        return trace(model(self.world), Question(port=port.id, source=source, destination=destination))

    def ruled(self, port: Port, frame: Frame) -> Ruling:
        """What the port's table makes of a frame."""
        plugs = {p.id: Plug(p.id) for p in (self.plain, self.paired, self.wide)}
        state = compile_host(self.world.topology(), self.world.host(1), Local(plugs=plugs))
        tables = {c.object.table: c.object for p in state.values() for c in p.claims.values() if _is_table(c.object)}
        table = parse(tables[tap_table(port.network_id, port.id)])
        (chain,) = [one for one in table.chains.values() if one.hook is not None]
        return evaluate(table, chain, Passing(frame))


def _is_table(found: object) -> bool:
    return isinstance(found, Ruleset)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def four(port: Port) -> str:
    return port.fixed_ips[0].ip_address


def six(port: Port) -> str:
    return port.fixed_ips[1].ip_address


@pytest.mark.parametrize("address", [four, six])
def test_a_port_speaks_as_itself(stage: Stage, address) -> None:
    assert stage.asked(stage.plain, "", address(stage.other)).outcome == "answered"


@pytest.mark.parametrize("source", ["10.0.1.250", "fd00:1::250", "198.51.100.9"])
def test_a_forged_source_dies_at_its_tap_and_the_advice_says_why(stage: Stage, source: str) -> None:
    destination = (six if ":" in source else four)(stage.other)
    found = stage.asked(stage.plain, source, destination)
    assert found.outcome == "dead"
    assert found.death is not None
    assert found.death.rule == 'counter name "source-address" drop'
    assert REASONS["source-address"] in found.advice
    assert stage.asked(stage.open, source, destination).outcome != "dead"
    assert stage.asked(stage.wide, source, destination).outcome != "dead"


def test_pairs_for_everything_open_nobody_elses_address(stage: Stage) -> None:
    for source in (four(stage.other), "10.0.1.1", six(stage.other), "fd00:1::1", link_local("fa:16:3e:00:01:01")):
        destination = (six if ":" in source else four)(stage.plain)
        assert stage.asked(stage.wide, source, destination).outcome == "dead", source


def _arp(port: Port, sender_mac: str, sender: str, target: str) -> Frame:
    said = Arp(operation=Arp.REPLY, sender_mac=sender_mac, sender=sender, target_mac="02:00:00:00:00:01", target=target)
    return Frame(port.mac_address, "02:00:00:00:00:01", said)


def test_arp_says_the_ports_own_mac_and_address_only(stage: Stage) -> None:
    mac, ip = stage.plain.mac_address, four(stage.plain)
    assert stage.ruled(stage.plain, _arp(stage.plain, mac, ip, "10.0.1.99")).verdict == "accept"
    for sender_mac, sender in ((mac, "10.0.1.1"), (mac, four(stage.other)), ("02:00:00:00:00:09", ip)):
        ruling = stage.ruled(stage.plain, _arp(stage.plain, sender_mac, sender, "10.0.1.99"))
        assert (ruling.verdict, ruling.rule) == (
            "drop",
            'counter name "arp-sender" drop',
        ) or "arp-sender" in ruling.rule


def test_discovery_is_about_the_ports_own_addresses_and_mac_only(stage: Stage) -> None:
    mac, ip = stage.plain.mac_address, six(stage.plain)
    there = "02:00:00:00:00:01"

    def said(packet: Packet) -> str:
        return stage.ruled(stage.plain, Frame(mac, there, packet)).verdict

    assert said(advertisement(ip, mac, six(stage.other))) == "accept"
    assert said(solicitation(ip, mac, six(stage.other))) == "accept"
    assert said(advertisement(ip, "02:00:00:00:00:09", six(stage.other))) == "drop"
    assert said(solicitation(ip, "02:00:00:00:00:09", six(stage.other))) == "drop"
    assert said(replace(advertisement(six(stage.other), mac, ip), source=ip)) == "drop"
    assert said(replace(advertisement("fd00:1::1", mac, ip), source=ip)) == "drop"


def test_an_address_that_moved_is_copied_to_the_tunnel_only_if_it_is_the_ports(stage: Stage) -> None:
    def gratuitous(port: Port, mac: str, ip: str) -> Ruling:
        said = Arp(operation=Arp.REQUEST, sender_mac=mac, sender=ip, target_mac=mac, target=ip)
        return stage.ruled(port, Frame(mac, "ff:ff:ff:ff:ff:ff", said))

    assert gratuitous(stage.paired, VMAC, VIP).copies == ("vxlan-1001",)
    assert gratuitous(stage.paired, VMAC, four(stage.plain)).copies == ()
    assert gratuitous(stage.plain, VMAC, VIP).copies == ()


def test_a_server_of_addresses_is_refused(stage: Stage) -> None:
    for source, destination, number in ((four, four, 68), (six, six, 546)):
        packet = Packet(
            source=source(stage.plain),
            destination=destination(stage.other),
            protocol=17,
            source_port=67,
            destination_port=number,
        )
        ruling = stage.ruled(stage.plain, Frame(stage.plain.mac_address, stage.other.mac_address, packet))
        assert (ruling.verdict, "dhcp-answer" in ruling.rule) == ("drop", True)
