"""nftables tables as typed values, read from the text that the compiler writes, and what they make of a packet."""
