"""Events and requests that ask whether the system works, and are nobody's business.

A probe goes all the way: through the stream, its consumers, the online store and the endpoint. Its
events say so in a field of their own and never land in the lake, so that no model learns from them;
its requests say so by their inference id, so that no monitor takes them for traffic.
"""

__all__ = ["PROBE_FIELD", "PROBE_INFERENCE_PREFIX"]

# The field of an event that is true for a probe.
PROBE_FIELD = "probe"
# What a probe's inference id begins with.
PROBE_INFERENCE_PREFIX = "parity-"
