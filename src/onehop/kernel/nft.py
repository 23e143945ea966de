"""libnftables in process: text in, text out, in the namespace in which the thread is.

The distribution's library is the well-kept one; it is loaded when first needed.
"""

import ctypes
import threading
from functools import cache

from onehop.errors import KernelError, MissingFeatureError

LIBRARY = "libnftables.so.1"
_STATELESS = 1 << 2
_loading = threading.Lock()


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise MissingFeatureError(
            f"{LIBRARY} cannot be loaded; install the package libnftables1 (Debian, Ubuntu) or nftables (Fedora)"
        ) from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


class Nftables:
    """One context, in the namespace in which the calling thread is when it is made.

    It holds a socket and so keeps its namespace alive until closed.
    """

    def __init__(self) -> None:
        with _loading:
            self._library = _library()
        self._context: int | None = self._library.nft_ctx_new(0)
        if not self._context:
            raise KernelError("libnftables gave no context: out of memory")
        self._library.nft_ctx_output_set_flags(self._context, _STATELESS)
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        """Carry out commands as one transaction and return what they print.

        Raises:
            KernelError: refused; the message is nftables' first line of complaint.
        """
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        printed: bytes = self._library.nft_ctx_get_output_buffer(self._context) or b""
        said: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise KernelError(_complaint(said.decode(errors="replace")))
        return printed.decode(errors="replace")

    def close(self) -> None:
        """Give the context back."""
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None


def _complaint(said: str) -> str:
    """The first line that says what is wrong, without the position in our own text."""
    line = next((line for line in said.splitlines() if "Error" in line), "") or said.strip()[:200]
    return line.partition("Error: ")[2] or line or "refused without a reason"
