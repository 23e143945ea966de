"""Whom no change concerns: instances of the bystander, and somebody outside, with a probe of 1 kHz meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from onehop.compiler.state import Plug
from onehop.lab.prober import Place, Prober, between
from onehop.model.port import FixedIp
from onehop.net.identifier import PortId
from onehop.objects import Namespace
from tests.contract.hosts import LinuxHost
from tests.crash.scenes import BRIDGE, BYSTANDER, FLOATING, Scene
from tests.northern import UPSTREAM
from tests.worlds import uid

OUTSIDE, STILL, MATE = "outside", "still", "mate"
CALM = tuple(Namespace(namespace=name, mark="") for name in (OUTSIDE, STILL, MATE))
"""Namespaces of somebody else, in which they are."""

MATE_IP = f"10.0.{BYSTANDER}.240"
GATEWAY = f"10.0.{BYSTANDER}.1"


def inhabited(scene: Scene) -> Scene:
    """The scene, with the bystander's instance and one more of its network in namespaces; without it, as it is."""
    if not any(value.id == scene.still.id for value in scene.values):
        return scene
    fixed = FixedIp(scene.subnet_id(BYSTANDER), MATE_IP)
    mate = replace(scene.still, id=PortId(uid(0x4F00)), mac_address="fa:16:3e:01:00:f0", fixed_ips=(fixed,))
    scene.values.append(mate)
    scene.plugs |= {scene.still.id: Plug(scene.still.id, STILL), mate.id: Plug(mate.id, MATE)}
    return scene


class Calm:
    """They, on a host that is Linux; it has the namespaces, and the bridge that leads outside."""

    def __init__(self, host: LinuxHost, still: str) -> None:
        self._host = host
        self._still = still
        host.run("", "ip", "link", "add", "uplink", "type", "veth", "peer", "eth0", "netns", str(self._path(OUTSIDE)))
        host.run("", "ip", "link", "set", "uplink", "master", BRIDGE, "up")
        host.run("", "ip", "link", "set", BRIDGE, "up")
        self._address(OUTSIDE, f"{UPSTREAM}/24")

    @contextmanager
    def probing(self, wide: bool) -> Iterator[Prober]:
        """Probe meanwhile: from outside by the floating IP; where every way outside is concerned, in the network."""
        self._address(STILL, f"{self._still}/24", GATEWAY)
        self._address(MATE, f"{MATE_IP}/24", GATEWAY)
        source, address = (self._at(MATE), self._still) if wide else (self._at(OUTSIDE), FLOATING)
        with between(source, self._at(STILL), address) as prober:
            yield prober

    def _path(self, name: str) -> Path:
        return self._host.directory / name

    def _address(self, name: str, address: str, gateway: str = "") -> None:
        """Set eth0 up; that of an instance is another one after its port was away."""
        lines = [f"address replace {address} dev eth0", "link set eth0 up"]
        lines += [f"route replace default via {gateway}"] if gateway else []
        self._host.run(name, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def _at(self, name: str) -> Place:
        return partial(_program, self._path(name))


@contextmanager
def _program(path: Path, script: str, /, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = ["nsenter", f"--net={path}", sys.executable, "-I", "-S", script, *arguments]
    process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
