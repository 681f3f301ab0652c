"""Measured comparisons with peers: each program runs the peer and us on the same work."""
