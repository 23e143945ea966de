"""From a topology to what one host's kernel should hold: values in, values out."""

from onehop.compiler.host import FEATURES, compile_component, compile_host, networks_near, partitions_of
from onehop.compiler.state import Claim, HostState, Local, Partition, Plug, Refusal

__all__ = [
    "FEATURES",
    "Claim",
    "HostState",
    "Local",
    "Partition",
    "Plug",
    "Refusal",
    "compile_component",
    "compile_host",
    "networks_near",
    "partitions_of",
]
