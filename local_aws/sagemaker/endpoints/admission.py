"""The admission of requests to serverless variants: so many at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from local_aws.sagemaker.endpoints.routes import LiveEndpoint
from local_aws.sagemaker.errors import ServiceError


class Admission:
    """Counts the requests of endpoints, on the event loop."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, live: LiveEndpoint) -> Iterator[None]:
        """A request's time, from its arrival on: a cold start is part of it.

        Raises:
            ServiceError: If the variant has as many as it takes.
        """
        configs = [route.fleet.spec.serverless for route in live.routes]
        most = max((c["MaxConcurrency"] for c in configs if c is not None), default=None)
        if most is not None and self._taken[live.name] >= most:
            raise ServiceError(
                "ThrottlingException",
                f"Endpoint {live.name} already answers its MaxConcurrency of {most} requests.",
            )
        self._taken[live.name] += 1
        try:
            yield
        finally:
            self._taken[live.name] -= 1
            if not self._taken[live.name]:
                del self._taken[live.name]
