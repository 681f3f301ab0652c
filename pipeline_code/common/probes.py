"""Events and requests that ask whether the system works, and are nobody's business.

A probe goes all the way: through the stream, its consumers, the online store and the endpoint. It
is kept apart by its ids, so that no training, no monitor and no audit takes it for traffic.
"""

__all__ = ["FIRST_PROBE_ID", "PROBE_INFERENCE_PREFIX", "is_probe"]

# Ids of probes' transactions, customers and terminals begin here; ids are below 2**63, which is
# about 9.2e18.
FIRST_PROBE_ID = 4 * 10**18
# What a probe's inference id begins with.
PROBE_INFERENCE_PREFIX = "parity-"


def is_probe(customer_id: int) -> bool:
    """Whether an event of the customer is a probe's."""
    return customer_id >= FIRST_PROBE_ID
