"""A connection to one agent: what is sent together leaves as one record, and a sign of life takes no task's turn."""

from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection
from websockets.protocol import SEND_EOF, State


class Connection(ServerConnection):
    """A WebSocket to an agent. Everything that is sent is a binary message of one frame."""

    async def put(self, frames: Sequence[bytes]) -> None:
        """Send messages; waits while the agent is slow, as `send` does.

        Raises:
            ConnectionClosed: it is.
        """
        async with self.send_context():
            for frame in frames:
                self.protocol.send_binary(frame)

    def sign(self, frame: bytes) -> None:
        """Send a message without waiting; to an agent that is slow, or gone, it is not sent at all."""
        if self.protocol.state is State.OPEN and not self.transport.get_write_buffer_size():
            self.protocol.send_binary(frame)
            self.send_data()

    def send_data(self) -> None:
        """Write what the protocol has ready, in one piece: each piece is a TLS record and a call of the kernel."""
        ready = self.protocol.writes
        if len(ready) > 1 and SEND_EOF not in ready:
            self.protocol.writes = [b"".join(ready)]
        super().send_data()
