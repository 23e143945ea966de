"""What the short cut's maps and stack hold, and where; numbers of the kernel (linux/bpf.h)."""

COUNTS, DEVICES, FLOWS, SLOTS, STATE = "counts", "devices", "flows", "slots", "state"
KEY, FLOW, SLOT, PLACE, DEVICE, COUNTED = 32, 88, 64, 12, 16, 24
"""Sizes of what the maps hold, in octets."""
INSIDE, OUTSIDE, TRANSIT, LEG = 1, 2, 3, 4
"""Where packets come and go: an instance's tap; the bridge of an external network; and within a router's namespace its
transit leg, and its legs inside."""
COMES_FROM = {INSIDE: (INSIDE, OUTSIDE), OUTSIDE: (INSIDE,), LEG: (TRANSIT,)}
"""Where packets go out, and where those came in of which is learnt there."""
MAC, MTU, TCP, REALM = 0, 6, 8, 12
"""A device is found by its index and, in a router's namespace, the MAC of the router's transit leg, which no other has.
Where its MAC, its MTU (16 bits) whether TCP is let through and its realm (32 bits each) stand."""
LAST_SLOT = 0xFFFE
"""``tc_index`` has 16 bits, and 0 is none."""

FRESH = 900_000_000
DEAD = 1_000_000_000
"""Nanoseconds after which one packet is sent the long way again, and after which all are."""
AGAIN = 10_000_000
"""Nanoseconds for which one packet's learning is waited for."""
UNDERWAY = 50_000_000
"""Nanoseconds that a packet may take to where it leaves."""

LOOKUP, UPDATE, CPU, L4_CSUM, REDIRECT, CSUM_DIFF, REDIRECT_PEER, KTIME = 1, 2, 8, 11, 23, 28, 155, 160
PSEUDO, ZERO_IS_NONE = 0x10, 0x20
TCX_NEXT, TCX_DROP = -1, 2
TO_INGRESS = 1
IPV4 = 0x0008
FRAGMENT = 0xFF3F
SYN_FIN_RST = 0x07
TCP_NUMBER, UDP_NUMBER, ICMP_NUMBER = 6, 17, 1
MOST_HOPS = 8
MIX = 0x2545F491

# struct __sk_buff
SKB_LEN, SKB_MARK, SKB_PROTOCOL, SKB_VLAN, SKB_IFINDEX, SKB_TC_INDEX, SKB_DATA, SKB_DATA_END, SKB_GSO_SIZE = (
    0,
    8,
    16,
    20,
    40,
    44,
    76,
    80,
    176,
)
# The stack: a key, what is asked beside it, and larger things.
KEY_AT = -KEY
SADDR, DADDR, PORTS, PROTO, MACS = 4, 8, 12, 16, 20
"""Where a key has what; after the protocol stands the side: links of different namespaces have the same index."""
SIZE_ID, FIRST, TTL, HEADERS, NUMBER = -40, -36, -48, -44, -52
COPY_AT = -56 - FLOW
SLOT_AT = -56 - SLOT
FLOW_AT = SLOT_AT - FLOW
PLACE_AT = FLOW_AT - PLACE
REALM_AT = PLACE_AT - 4
# A slot: epoch, time, key, four words. A flow: two that change alone, then what is sealed.
EPOCH, TIME, SLOT_KEY, SLOT_WORDS, SIDE = 0, 8, 16, 48, 60
UNTIL, SEAL, SEALED = 0, 8, 16
F_EPOCH, F_DEAD, F_INDEX, F_FLAGS, F_ADDRESSES, F_PORT, F_IP, F_HOPS = 16, 24, 32, 36, 40, 44, 48, 52
F_MACS, F_SADDR, F_DADDR, F_PORTS, F_CHANGED, F_MTU = 56, 68, 72, 76, 80, 84
