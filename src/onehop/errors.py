"""Every exception raised on purpose, as one tree, by whose fault it is.

::

    OnehopError
    ├── InputError            the caller's fault: what was sent or typed cannot be used
    │   ├── AddressError      not an address, prefix or MAC in its canonical form
    │   ├── IdentifierError   not a UUID, or not a host name we accept
    │   ├── ValidationError   an attribute's value has the wrong form
    │   ├── ConversionError   an attribute's value is not the number or truth value it should be
    │   ├── SettingsError     the configuration file is wrong; names the key
    │   └── ArchiveError      the file is no backup, or one that is not whole
    ├── StateError            the world's fault: right request, wrong moment
    │   ├── ConflictError     it would clash with what is there
    │   │   ├── TakenError        another row has this value, which no two may share
    │   │   └── ReferencedError   what it names does not exist, or something else still names it
    │   ├── PoolFullError     every value of a pool is taken
    │   ├── NotFoundError     what was named does not exist
    │   ├── StaleError        the caller knows an older revision
    │   ├── ApiError          the controller refused a request of ours; carries status and error type
    │   └── UnreachableError  the controller does not answer
    ├── StoreError            the database, not the request
    │   ├── BusyError         no turn to write, or the connection was lost; trying again may help
    │   ├── UnusableError     it cannot be reached, or not be written: an operator must see to it
    │   └── NewerDatabaseError    a newer onehop has migrated it
    ├── KernelError           the kernel refused; carries errno and what was asked
    │   └── MissingFeatureError   this kernel or machine lacks what we need; says which package or option
    ├── WireError             the other side of the stream broke the protocol
    │   └── UnknownMessageError   it said what only a newer version can know
    ├── LocalCopyError        the saved view is unreadable
    ├── UnknownRuleError      our own fault: a rule of nftables that the model of packets does not know
    └── CompileError          our own fault: two features claim one key with different values

A message is one sentence for the person who reads it, and says what to do where there is something to do.
"""


class OnehopError(Exception):
    """Root of every error that onehop raises on purpose."""


class InputError(OnehopError):
    """What was sent or typed cannot be used."""


class AddressError(InputError):
    """Not an address, prefix or MAC in a form we accept."""


class IdentifierError(InputError):
    """Not a UUID, or not a host name we accept."""


class ValidationError(InputError):
    """An attribute's value has the wrong form."""


class ConversionError(InputError):
    """An attribute's value is not the number or truth value it should be."""


class SettingsError(InputError):
    """The configuration is wrong; the message names file and key."""


class ArchiveError(InputError):
    """The file is no backup of ours, or not whole, or of a newer onehop."""


class StateError(OnehopError):
    """The request is well formed but cannot be met now."""


class ConflictError(StateError):
    """It would clash with something that exists."""


class TakenError(ConflictError):
    """Another row has this value, which no two may share.

    Attributes:
        resource: name of the resource, or ``allocation`` (an address of a subnet).
        attributes: in the API's names, whose values together are taken.
    """

    def __init__(self, message: str, resource: str, attributes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.resource = resource
        self.attributes = attributes


class ReferencedError(ConflictError):
    """What a row names does not exist, or a row cannot go because something else still names it."""


class PoolFullError(StateError):
    """Every value of a pool (addresses of subnets, MACs, VNIs) is taken."""


class NotFoundError(StateError):
    """What was named does not exist."""


class StaleError(StateError):
    """The caller knows an older revision than the current one."""


class StoreError(OnehopError):
    """The database cannot do it: not the request's fault."""


class BusyError(StoreError):
    """There was no turn to write in time, or the connection to the database was lost; trying again may help."""


class UnusableError(StoreError):
    """The database cannot be reached, or its disk is full, read-only or broken: an operator must see to it."""


class NewerDatabaseError(StoreError):
    """The database was migrated by a newer onehop than this one."""


class KernelError(OnehopError):
    """The kernel refused a request.

    Attributes:
        errno: the positive error number, or 0 where the kernel gave none (libnftables text errors).
    """

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


class MissingFeatureError(KernelError):
    """This kernel or machine lacks something that onehop needs; the message says what to install or enable."""


class WireError(OnehopError):
    """A peer sent something that the protocol does not allow."""


class UnknownMessageError(WireError):
    """A message of a type that this version does not know: a newer one's."""


class LocalCopyError(OnehopError):
    """The local copy of the last view cannot be read."""


class CompileError(OnehopError):
    """Two features claim the same kernel key with different values: a bug of ours, never resolved by order."""


class UnknownRuleError(OnehopError):
    """A rule of nftables that the model of packets does not know: it says nothing rather than something wrong."""


class ApiError(StateError):
    """The controller refused a request of our own client.

    Attributes:
        status: the HTTP status, 400 or more.
        type: the API's name for the error (``PortNotFound``), or empty.
    """

    def __init__(self, message: str, status: int, type: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.type = type


class UnreachableError(StateError):
    """The controller does not answer."""
