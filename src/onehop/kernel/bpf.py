"""The system call bpf(2): maps, programs, and what binds a program to a link. Nothing here knows what a program does.

Everything is held by descriptors. When the last one is closed, also by the death of the process, the kernel takes the
object away: nothing can be left behind.
"""

import ctypes
import os
from struct import pack, unpack_from

from onehop.kernel.syscall import SYS_BPF

_libc = ctypes.CDLL(None, use_errno=True)

ARRAY, PERCPU_ARRAY, HASH, LRU_HASH = 2, 6, 1, 9
"""Kinds of maps (enum bpf_map_type)."""
TCX_INGRESS, TCX_EGRESS = 46, 47
"""Where a link is hooked (enum bpf_attach_type); Linux 6.6 and later."""

_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _PROG_LOAD, _OBJECT, _LINK_CREATE = 0, 1, 2, 3, 5, 15, 28
_SCHED_CLS = 3
_ATTRIBUTES = 144
_LOG_SIZE = 1 << 20
_LINK_INFO = 64


def _bpf(command: int, attributes: bytes, what: str) -> int:
    buffer = ctypes.create_string_buffer(attributes.ljust(_ATTRIBUTES, b"\0"), _ATTRIBUTES)
    result: int = _libc.syscall(SYS_BPF, command, buffer, _ATTRIBUTES)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def make_map(kind: int, name: str, key: int, value: int, entries: int) -> int:
    """Make a map and return its descriptor.

    Args:
        kind: `ARRAY` and so on.
        name: at most 15 letters, for who lists maps.
        key, value: their sizes in octets.
        entries: how many it holds at most.

    Raises:
        OSError: refused; EPERM without CAP_BPF.
    """
    attributes = pack("=5I", kind, key, value, entries, 0) + pack("=II16s", 0, 0, name.encode())
    return _bpf(_MAP_CREATE, attributes, f"map {name}")


def put(map_: int, key: bytes, value: bytes) -> None:
    """Set the value of a key.

    Raises:
        OSError: refused; E2BIG where the map is full.
    """
    _element(_UPDATE, map_, key, value)


def take(map_: int, key: bytes) -> None:
    """Delete a key.

    Raises:
        OSError: refused; ENOENT where it is not there.
    """
    keys = ctypes.create_string_buffer(key, len(key))
    _bpf(_DELETE, pack("=IIQQQ", map_, 0, ctypes.addressof(keys), 0, 0), "map element")


def get(map_: int, key: bytes, size: int) -> bytes:
    """The value of a key, of so many octets (for a map per CPU: of each possible one, rounded up to eight each).

    Raises:
        OSError: refused; ENOENT where it is not there.
    """
    return _element(_LOOKUP, map_, key, bytes(size))


def _element(command: int, map_: int, key: bytes, value: bytes) -> bytes:
    keys, values = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    _bpf(command, pack("=IIQQQ", map_, 0, ctypes.addressof(keys), ctypes.addressof(values), 0), "map element")
    return values.raw


def load_program(name: str, code: bytes, licence: str) -> int:
    """Let the kernel check and take a program for links; returns its descriptor.

    Raises:
        OSError: refused, with the end of what the kernel's verifier says of it.
    """
    instructions = ctypes.create_string_buffer(code, len(code))
    words = ctypes.create_string_buffer(licence.encode())
    head = pack("=IIQQ", _SCHED_CLS, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(words))
    tail = pack("=II16s", 0, 0, name.encode())
    try:
        return _bpf(_PROG_LOAD, head + pack("=IIQ", 0, 0, 0) + tail, f"program {name}")
    except OSError as error:
        log = ctypes.create_string_buffer(_LOG_SIZE)
        try:
            loaded = _bpf(
                _PROG_LOAD, head + pack("=IIQ", 1, _LOG_SIZE, ctypes.addressof(log)) + tail, f"program {name}"
            )
        except OSError:
            said = " / ".join(log.value.decode(errors="replace").strip().splitlines()[-4:])
            raise OSError(error.errno, f"{error.strerror}: {said}" if said else error.strerror) from error
        return loaded


def attach(program: int, index: int, where: int) -> int:
    """Bind a program to the link of that index in the calling thread's namespace; closing what is returned unbinds it.

    Raises:
        OSError: refused; EINVAL before Linux 6.6, ENODEV where there is no such link.
    """
    return _bpf(_LINK_CREATE, pack("=4IQQ", program, index, where, 0, 0, 0), f"link {index}")


def bound_to(hook: int) -> int:
    """The index of the link to which what `attach` returned is bound; 0 when that link is gone.

    Raises:
        OSError: it is not what `attach` returned.
    """
    # struct bpf_link_info: type, id, program, and of tcx the link's index.
    info = ctypes.create_string_buffer(_LINK_INFO)
    _bpf(_OBJECT, pack("=IIQ", hook, _LINK_INFO, ctypes.addressof(info)), "link")
    index: int = unpack_from("=I", info, 16)[0]
    return index
