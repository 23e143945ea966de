"""What a lab's upstream router hears of who has which address, and when."""

import socket
import threading
import time

from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.state import Directory
from onehop.net.announcement import arp_sender


class Ear:
    """What upstream hears of who has which address, and when."""

    def __init__(self, directory: Directory) -> None:
        pins, netns = target(directory, directory.read(), "upstream")
        self._sock = inside(pins, self._open, netns)
        self.heard: dict[tuple[str, str], float] = {}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @staticmethod
    def _open() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.bind(("ext0", 0x0806))
        made.settimeout(0.2)
        return made

    def _listen(self) -> None:
        while self._sock.fileno() >= 0:
            try:
                said = arp_sender(self._sock.recv(2048))
            except TimeoutError:
                continue
            except OSError:
                return
            if said is not None:
                self.heard.setdefault((said[1], said[0]), time.monotonic())

    def clear(self) -> None:
        """Forget what was heard."""
        self.heard = {}

    def close(self) -> None:
        """Stop."""
        self._sock.close()
        self._thread.join(2)
