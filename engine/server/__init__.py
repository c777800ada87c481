"""Play for many at once, without a network library: the protocol, sessions, limits, links and pictures."""
