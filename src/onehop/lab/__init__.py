"""Many hosts on one machine: namespaces, agents, a controller, an underlay and an internet, under one directory.

The lab owns what it makes and nothing else: every namespace is pinned inside the lab's directory, every veth pair lies
between namespaces of the lab, every process is found again by its pid *and* start time. The machine's own namespaces,
links, rules, sysctls and ``/run/netns`` are not touched. A lab makes no API objects: whoever uses it does.
"""
