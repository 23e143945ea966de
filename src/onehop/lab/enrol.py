"""How the lab's controller and hosts come to trust each other: the product's own CA, join tokens and certificates."""

from collections.abc import Mapping

from onehop.agent import credential
from onehop.agent.join import join
from onehop.controller import pki
from onehop.controller.join import new_token
from onehop.lab import plan
from onehop.lab.namespace import inside
from onehop.lab.state import Directory, HostRecord
from onehop.net.endpoint import join_address
from onehop.net.identifier import HostName
from onehop.settings import load_controller
from onehop.store import Store


def make_authority(directory: Directory) -> None:
    """Make the CA and the controller's certificate, as ``onehop pki init`` does."""
    pki.init(directory.path / "pki")


def add_hosts(directory: Directory) -> Mapping[str, str]:
    """Add every host that has no certificate yet, as ``onehop host add`` does; returns their join tokens by name.

    Every host may be what its record says.
    """
    new = [record for name, record in directory.read().hosts.items() if not _certificate(directory, name)]
    if not new:
        return {}
    settings = load_controller(directory.controller / "controller.toml")
    store = Store.open(settings.database_url)
    try:
        return {record.name: _add(store, record, directory) for record in new}
    finally:
        store.close()


def _add(store: Store, record: HostRecord, directory: Directory) -> str:
    name = HostName(record.name)
    if store.run(lambda tx: tx.host(name)) is None:
        store.run(lambda tx: tx.add_host(name))
    reached = (plan.PHYSICAL_NETWORK,) if record.external else ()
    store.run(lambda tx: tx.approve_host(name, gateway_host=record.gateway, physical_networks=reached))
    settings = load_controller(directory.controller / "controller.toml")
    return new_token(store, settings, name, join_address(plan.STREAM, plan.STREAM_PORT))


def _certificate(directory: Directory, name: str) -> bool:
    return (directory.host(name) / "state" / credential.CERTIFICATE).exists()


def enrol(directory: Directory, record: HostRecord, token: str | None) -> None:
    """Get a host its certificate, as ``onehop agent join`` does; harmless where it has one."""
    if token is not None:
        inside(
            directory.pins(record.name),
            lambda: join(token, directory.host(record.name) / "state", record.name),
        )
