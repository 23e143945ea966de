"""The local copy of the last complete view, so that a host comes up again when no controller answers.

A journal: a frame with the whole view, then a frame for each change. A frame is its length, a checksum and the content;
the file is made new, whole and atomically, when it has grown to twice its beginning. What a crash can leave at the end
(a frame that is cut short) is dropped: the view before that change is complete too. Anything else that is wrong is
damage: the file is moved aside, nothing in it is believed, and the host waits for its controller.
"""

import errno
import os
import struct
from hashlib import blake2b
from pathlib import Path

import msgspec

from onehop.errors import InputError, LocalCopyError
from onehop.log import logger
from onehop.model.topology import Ref, Topology, Value
from onehop.net.identifier import HostName
from onehop.system import write_whole
from onehop.wire.check import check_ref, check_values

LOG = logger("agent")
FILE = "view"
VERSION = 2
_HEAD = struct.Struct("!I16s")
_MINIMUM = 1 << 20


class _OtherVersionError(ValueError):
    def __init__(self, version: int) -> None:
        super().__init__(f"was written by another version of onehop, in form {version}; this one reads form {VERSION}")


class _Whole(msgspec.Struct, tag="whole"):
    version: int
    host: HostName
    revision: int
    values: list[Value]


class _Change(msgspec.Struct, tag="change"):
    revision: int
    upserts: list[Value]
    removes: list[Ref]


class _Form(msgspec.Struct):
    version: int


_ENCODER = msgspec.msgpack.Encoder()
_FORMS = msgspec.msgpack.Decoder(_Form)
_DECODER: msgspec.msgpack.Decoder[_Whole | _Change] = msgspec.msgpack.Decoder(_Whole | _Change)


class LocalCopy:
    """The copy on disk.

    Args:
        directory: the agent's state directory.
        host: whose view it is.

    Attributes:
        trouble: why it is not up to date, or "".
    """

    def __init__(self, directory: Path, host: HostName) -> None:
        self.trouble = ""
        self._path = directory / FILE
        self._host = host
        # Only while it could not be written: what is on disk is not kept in memory a second time.
        self._unwritten: Topology | None = None
        self._begin = 0
        self._size = 0

    def load(self) -> Topology | None:
        """The last view that was kept, or None where there is none.

        Raises:
            LocalCopyError: it is damaged, or of another version; it was moved aside.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LocalCopyError(f"the local copy {self._path} cannot be read: {error}") from None
        try:
            view, end = self._parse(content)
        except _OtherVersionError as error:
            raise LocalCopyError(self._put_aside(f"is not damaged, but {error}", ".other")) from None
        except (msgspec.DecodeError, InputError, ValueError, KeyError) as error:
            raise LocalCopyError(self._put_aside(f"is damaged: {error}", ".damaged")) from None
        self._begin = self._size = end
        if end < len(content):
            self._unwritten = view
        return view

    def _put_aside(self, why: str, suffix: str) -> str:
        """Keep a file that is of no use out of the way; a sentence about it."""
        aside = self._path.with_suffix(suffix)
        try:
            self._path.replace(aside)
        except OSError as cause:
            return f"the local copy {self._path} {why}; it stays there: {cause}"
        return f"the local copy {why}; it was moved to {aside}, and this host waits for a controller"

    def snapshot(self, revision: int, values: list[Value]) -> None:
        """Keep a whole view."""
        self._unwritten = Topology(revision, values)
        self._write()

    def delta(self, revision: int, upserts: list[Value], removes: list[Ref]) -> None:
        """Keep a change."""
        change = _Change(revision, upserts, removes)
        if self._unwritten is None and 0 < self._size <= max(_MINIMUM, 2 * self._begin):
            try:
                self._append(change)
            except OSError as error:
                self._complain(error)
            else:
                return
        try:
            # What follows a frame that was cut short could not be read: the file is written anew.
            before = self._unwritten or self._parse(self._path.read_bytes()[: self._size])[0]
        except (OSError, msgspec.DecodeError, InputError, ValueError, KeyError) as error:
            self._complain(
                OSError(0, f"its beginning is gone ({error}); the next whole view of a controller mends that")
            )
            return
        self._unwritten = before.apply(revision, upserts, removes)
        self._write()

    def retry(self) -> None:
        """Write what could not be written before, if there is anything."""
        if self._unwritten is not None:
            self._write()

    def _write(self) -> None:
        """Make the file new, of the view that is not written yet."""
        view = self._unwritten
        if view is None:
            return
        try:
            frame = _frame(_Whole(VERSION, self._host, view.revision, list(view)))
            write_whole(self._path, frame)
        except OSError as error:
            self._complain(error)
            return
        if self.trouble:
            LOG.info("the view is kept on disk again", path=str(self._path))
        self.trouble = ""
        self._begin = self._size = len(frame)
        self._unwritten = None

    def _complain(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if not self.trouble:
            LOG.error("the view cannot be kept on disk; the agent goes on without", path=str(self._path), why=why)
        self.trouble = f"the view cannot be kept in {self._path}: {why}"

    def _append(self, change: _Change) -> None:
        frame = _frame(change)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            if os.write(descriptor, frame) != len(frame):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._size += len(frame)

    def _parse(self, content: bytes) -> tuple[Topology, int]:
        """The view, and where its last whole frame ends."""
        view: Topology | None = None
        at = 0
        while at < len(content):
            frame = _unframe(content, at)
            if frame is None:
                if view is None:
                    raise ValueError("its first frame is cut short")
                LOG.warning("the end of the local copy was cut short and is dropped", revision=view.revision)
                break
            if at == 0:
                # First, because what another version wrote may be anything.
                form = _FORMS.decode(frame).version
                if form != VERSION:
                    raise _OtherVersionError(form)
            at += _HEAD.size + len(frame)
            entry = _DECODER.decode(frame)
            view = self._enter(view, entry)
        if view is None:
            raise ValueError("it is empty")
        return view, at

    def _enter(self, view: Topology | None, entry: _Whole | _Change) -> Topology:
        if isinstance(entry, _Whole):
            if entry.host != self._host:
                raise ValueError(f"it is host {entry.host[:64]!r}'s, not {self._host}'s")
            check_values(entry.values)
            return Topology(entry.revision, entry.values)
        if view is None:
            raise ValueError("it begins with a change")
        check_values(entry.upserts)
        for kind, identifier in entry.removes:
            check_ref(kind, identifier)
        return view.apply(entry.revision, entry.upserts, entry.removes)


def _frame(entry: _Whole | _Change) -> bytes:
    content = _ENCODER.encode(entry)
    return _HEAD.pack(len(content), blake2b(content, digest_size=16).digest()) + content


def _unframe(content: bytes, at: int) -> bytes | None:
    """The frame that begins at an offset; None where it is the last one and cut short."""
    if at + _HEAD.size > len(content):
        return None
    length, checksum = _HEAD.unpack_from(content, at)
    end = at + _HEAD.size + length
    if end > len(content):
        return None
    frame = content[at + _HEAD.size : end]
    if blake2b(frame, digest_size=16).digest() == checksum:
        return frame
    if end == len(content) and at > 0:
        return None
    raise ValueError(f"the checksum at offset {at} is wrong")
