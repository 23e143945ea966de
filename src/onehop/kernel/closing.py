"""Sockets that are given back by a thread of their own, because the kernel takes its time for some.

Closing a packet socket waits for all readers (``packet_release`` calls ``synchronize_net``), closing an nfnetlink
socket for what an earlier transaction of its namespace left to be freed (``nft_rcv_nl_event``): 3 to 10 ms.
"""

import queue
import socket
import threading


class Closer:
    """Closes sockets beside whoever used them, in order."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def close(self, used: socket.socket) -> None:
        """Take a socket over; it is closed soon."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kernel-close", daemon=True)
            self._thread.start()
        self._waiting.put(used)

    def stop(self) -> None:
        """Close what waits, and end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (used := self._waiting.get()) is not None:
            used.close()
