"""What `benchmarks.scale` measures: a controller that can be killed, its hosts with certificates, their ports."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.client import Client
from benchmarks.controller import LIMIT_S, ONEHOP, appears, start
from benchmarks.receivers import Fleet, Receiver
from onehop import __version__
from onehop.agent import credential
from onehop.controller import pki
from onehop.net.identifier import HostName
from onehop.store import Store

CLUSTER, SMALL = 4, 20
AT_ONCE = 500
GATEWAYS = 2


class Size(msgspec.Struct, frozen=True):
    """How large.

    Attributes:
        hosts, ports: how many.
        spans: how many hosts the wide networks span; each has hosts of its own.
        changes: how often each change is measured.
        idle: seconds in which nothing happens, to know what that costs.
        limit: seconds after which something does not happen any more.
        reconnect: longest wait of agents between two calls, in seconds.
    """

    hosts: int = 1000
    ports: int = 20_000
    spans: tuple[int, ...] = (1, 10, 50, 100, 250, 500)
    changes: int = 10
    idle: float = 5.0
    limit: float = 300.0
    reconnect: float = 10.0


class Site:
    """A controller that can be killed and started again, with its hosts."""

    def __init__(self, place: Path, size: Size) -> None:
        self.place = place
        self.size = size
        self.hosts = [f"host-{number}" for number in range(1, size.hosts + 1)]
        self.projects: dict[str, str] = {}
        self.fleet = Fleet(size.reconnect)
        (place / "controller.toml").write_text(
            f'database_url = "sqlite:///{place}/store.sqlite"\nstate_dir = "{place}/state"\npki_dir = "{place}/pki"\n'
            'api_listen = "127.0.0.1:0"\nstream_listen = "127.0.0.1:0"\nmetrics_listen = "127.0.0.1:0"\n'
            'physical_networks = ["external"]\nlog_level = "error"\n'
        )
        words = [*ONEHOP, "pki", "init", "--config", str(place / "controller.toml")]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        self.process: subprocess.Popen[bytes] | None = None
        self.api = 0

    @property
    def pid(self) -> int:
        """Of the controller."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the controller, and let agents know where it is."""
        ready = self.place / "state/controller.json"
        ready.unlink(missing_ok=True)
        self.process = start("controller", "--config", str(self.place / "controller.toml"))
        appears(ready, self.process)
        where = json.loads(ready.read_text())
        self.api, self.fleet.address = int(where["api"].rpartition(":")[2]), where["stream"]

    def kill(self) -> None:
        """End the controller as a power failure does."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait(LIMIT_S)

    def enrol(self) -> None:
        """Give every host its certificate, and the controller what its agent will say."""
        key = ec.generate_private_key(ec.SECP256R1())
        asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        request = asked.public_bytes(serialization.Encoding.PEM)
        with closing(Store.open(f"sqlite:///{self.place}/store.sqlite")) as store, store.write() as tx:
            for number, name in enumerate(self.hosts, 1):
                gateway = number > len(self.hosts) - GATEWAYS
                certificate = pki.sign_host(self.place / "pki", HostName(name), request)
                folder = self.place / name
                folder.mkdir()
                (folder / credential.KEY).write_bytes(pki.private_pem(key))
                (folder / credential.CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
                (folder / credential.AUTHORITY).symlink_to(self.place / "pki" / pki.CA_CERTIFICATE)
                reached = ["external"] if gateway else []
                tx.add_host(name, gateway_host=gateway, physical_networks=reached)
                tx.add_certificate(name, pki.serial_of(certificate), certificate.not_valid_after_utc.timestamp())
                self.fleet.add(name, folder, gateway)
                tx.open_session(
                    name,
                    vtep=self.fleet.receivers[-1].vtep,
                    underlay_mtu=1500,
                    physical_networks=reached,
                    details={"version": __version__, "gateway_host": gateway},
                )

    def populate(self) -> dict[int, str]:
        """Make all networks and ports; span → the network that has it."""
        wide: dict[int, str] = {}
        with closing(Client(self.api)) as client:
            begin, left = 0, self.size.ports
            for span in sorted(self.size.spans, reverse=True):
                wide[span] = self.network(client)
                self.ports(client, [(wide[span], host) for host in self.hosts[begin : begin + span]])
                begin, left = begin + span, left - span
            at: list[tuple[str, str]] = []
            for number in range(left // SMALL):
                network, first = self.network(client), number * CLUSTER % len(self.hosts)
                at += [(network, self.hosts[(first + n % CLUSTER) % len(self.hosts)]) for n in range(SMALL)]
            self.ports(client, at)
        return wide

    def network(self, client: Client) -> str:
        """A network with a subnet, in a project of its own; returns its id."""
        project = f"{len(self.projects) + 1:032x}"
        made = client.call("POST", "networks", {"network": {"project_id": project}})
        network = str(made["network"]["id"])
        self.projects[network] = project
        subnet = {"network_id": network, "project_id": project, "ip_version": 4, "cidr": "10.0.0.0/16"}
        client.call("POST", "subnets", {"subnet": subnet})
        return network

    def port(self, network: str, host: str) -> dict[str, str]:
        """What is asked for to make a bound port."""
        return {"network_id": network, "binding:host_id": host, "project_id": self.projects[network]}

    def ports(self, client: Client, at: Sequence[tuple[str, str]]) -> None:
        """Make bound ports, many in one request."""
        for begin in range(0, len(at), AT_ONCE):
            made = [self.port(network, host) for network, host in at[begin : begin + AT_ONCE]]
            client.call("POST", "ports", {"ports": made})

    def revision(self) -> int:
        """The newest."""
        with closing(Store.open(f"sqlite:///{self.place}/store.sqlite")) as store:
            return store.revision()

    def of(self, span: int) -> list[Receiver]:
        """The agents of the network that spans so many hosts."""
        wider = sum(other for other in self.size.spans if other > span)
        return self.fleet.receivers[wider : wider + span]
