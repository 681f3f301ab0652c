"""Serverless variants: a server that starts with the first request and goes when it is idle."""

import logging
import threading
import time

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.fleets import Fleet
from local_aws.sagemaker.endpoints.servers import FleetSpec, ServerError
from local_aws.settings import SERVERLESS_IDLE_SECONDS

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5


class ServerlessFleet(Fleet):
    """One server or none, whatever the concurrency: it answers all requests there are.

    Args:
        context: Shared state.
        spec: What it runs, with a ServerlessConfig.
    """

    def __init__(self, context: Context, spec: FleetSpec) -> None:
        super().__init__(context, spec)
        self._used = 0.0
        self._waking = threading.Lock()

    def start(self) -> None:
        """See that the model can be served, and wait for a request.

        Raises:
            ServerError: If it cannot.
        """
        super().start()
        self.resize(0)
        threading.Thread(target=self._sleep_when_idle, daemon=True).start()

    def wake(self) -> None:
        """There is a request: start the server if there is none; returns at once."""
        self._used = time.monotonic()
        if not self.servers and self._waking.acquire(blocking=False):
            threading.Thread(target=self._start_one, daemon=True).start()

    def _start_one(self) -> None:
        try:
            self.resize(1)
        except ServerError as error:
            _LOG.warning("a serverless server of %s: %s", self.spec.name, error)
        finally:
            self._waking.release()

    def _sleep_when_idle(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            if any(server.in_flight for server in self.servers):
                self._used = time.monotonic()
            elif self.servers and time.monotonic() - self._used > SERVERLESS_IDLE_SECONDS:
                self.resize(0)


def make_fleet(context: Context, spec: FleetSpec) -> Fleet:
    """The servers of a variant, of whichever kind it is."""
    if spec.serverless is None:
        return Fleet(context, spec)
    return ServerlessFleet(context, spec)
