"""A second external network in a lab: another physical network, which only some hosts reach."""

from onehop.lab import config, fabric, host, plan, power, process
from onehop.lab.controller import program
from onehop.lab.namespace import inside
from onehop.lab.state import Directory
from onehop.settings import load_controller
from onehop.store import Store
from tests.dataplane.site import Site

PHYSICAL = "lan"
BRIDGE = "br-lan"
SUBNET = "198.18.0.0/24"
UPSTREAM = "198.18.0.1"


def lay(site: Site, *hosts: str) -> None:
    """Lay it from upstream to hosts, and let the controller and their agents know of it."""
    directory = site.directory
    there = str(directory.pins("upstream").net)
    _on_switch(directory, f"link add lan-up type veth peer name ext1 netns {there}")
    site.run("upstream", "ip", "addr", "add", f"{UPSTREAM}/24", "dev", "ext1")
    site.run("upstream", "ip", "link", "set", "ext1", "up")
    _on_switch(directory, "link add lan type bridge stp_state 0 mcast_snooping 0", "link set lan up")
    _on_switch(directory, "link set lan-up master lan up")
    settings = directory.controller / "controller.toml"
    words = config.toml({"physical_networks": (plan.PHYSICAL_NETWORK,)})
    told = settings.read_text().replace(words, config.toml({"physical_networks": (plan.PHYSICAL_NETWORK, PHYSICAL)}))
    settings.write_text(told)
    power.controller(directory, "stop")
    power.controller(directory, "start")
    for name in hosts:
        there = str(directory.pins(name).net)
        _on_switch(directory, f"link add {_cable(name)} type veth peer name lan0 netns {there}")
        site.run(name, "ip", "link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        for link in ("lan0", BRIDGE):
            site.run(name, "ip", "link", "set", link, "up")
        site.run(name, "ip", "link", "set", "lan0", "master", BRIDGE)
        _on_switch(directory, f"link set {_cable(name)} master lan up")
        _teach(directory, name)
    site.wait()


def _cable(name: str) -> str:
    return fabric.cable(name, PHYSICAL)


def _on_switch(directory: Directory, *lines: str) -> None:
    inside(directory.pins("fabric"), lambda: fabric.batch(*lines))


def _teach(directory: Directory, name: str) -> None:
    """Start the host's agent anew with a bridge for the second physical network."""
    power.agent(directory, name, "stop")
    store = Store.open(load_controller(directory.controller / "controller.toml").database_url)
    store.run(lambda tx: tx.approve_host(name, physical_networks=(plan.PHYSICAL_NETWORK, PHYSICAL)))
    store.close()
    home = directory.host(name)
    record = directory.read().hosts[name]
    config.write_agent(directory, record)
    settings = home / "agent.toml"
    known = {plan.PHYSICAL_NETWORK: plan.EXTERNAL_BRIDGE} if record.external else {}
    words, more = (config.toml({"physical_networks": networks}) for networks in (known, {**known, PHYSICAL: BRIDGE}))
    settings.write_text(settings.read_text().replace(words, more))
    started = inside(
        directory.pins(name),
        lambda: process.spawn(program("agent", "--config", str(settings)), home / "agent.log", directory.path),
    )
    process.save(host.pid_file(directory, name), started)
    host.wait_agent(directory, name)
