"""A TCP connection that is never quiet: does it go on, and how long did nothing of it come back?

Caller and server are small programs of their own: this file, run with the standard library only::

    stream.py serve PORT             says `ready`; tells each caller who it seems to be, then sends back what comes
    stream.py call ADDRESS PORT      says whom the server sees; answers `end` on stdin with the result as JSON
"""

import json
import select
import socket
import sys
import threading
import time
from contextlib import suppress

INTERVAL = 0.01
PATIENCE = 10.0
_RECORD = 8


def serve(port: int) -> None:
    """Send back what comes, without end."""
    with socket.create_server(("", port)) as listener:
        _say("ready")
        while True:
            caller, peer = listener.accept()
            threading.Thread(target=_echo, args=(caller, f"{peer[0]} {peer[1]}\n"), daemon=True).start()


def _echo(caller: socket.socket, head: str) -> None:
    with suppress(OSError), caller:
        caller.sendall(head.encode())
        while octets := caller.recv(65536):
            caller.sendall(octets)


def call(address: str, port: int) -> None:
    """Send a record each hundredth of a second until told to end, and once more; then say what came back."""
    with socket.create_connection((address, port), timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _say(sock.makefile("r").readline().strip())
        sock.setblocking(False)
        _say(json.dumps(_run(sock)))


def _run(sock: socket.socket) -> dict[str, object]:
    sent = back = 0
    gap, error = 0.0, ""
    heard = begin = time.monotonic()
    deadline = 0.0
    try:
        while not deadline or (back < sent * _RECORD and time.monotonic() < deadline):
            if not deadline and time.monotonic() >= begin + sent * INTERVAL:
                # What does not fit waits in the kernel: a record is small.
                with suppress(BlockingIOError):
                    sock.sendall(sent.to_bytes(_RECORD, "big"))
                    sent += 1
            wait = max(0.0, begin + sent * INTERVAL - time.monotonic()) if not deadline else 0.1
            readable = select.select([sock] if deadline else [sock, sys.stdin], [], [], wait)[0]
            if sock in readable:
                octets = sock.recv(65536)
                if not octets:
                    error = "the other side closed it"
                    break
                back += len(octets)
                now = time.monotonic()
                gap, heard = max(gap, now - heard), now
            if sys.stdin in readable:
                sys.stdin.readline()
                deadline = time.monotonic() + PATIENCE
    except OSError as broken:
        error = broken.strerror or str(broken)
    if back < sent * _RECORD:
        gap = max(gap, time.monotonic() - heard)
        error = error or "nothing came back any more"
    return {"sent": sent, "back": back // _RECORD, "gap": gap, "error": error}


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        call(sys.argv[2], int(sys.argv[3]))
