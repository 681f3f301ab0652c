"""An endpoint as the balancer sees it: whose servers get which share of its requests."""

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass

from local_aws.sagemaker.endpoints.capture import Capture
from local_aws.sagemaker.endpoints.fleets import Fleet
from local_aws.sagemaker.endpoints.servers import Server

_RANDOM = random.Random()  # noqa: S311 - shares of traffic, not secrets


@dataclass(frozen=True, slots=True)
class Route:
    """A fleet's share of an endpoint's traffic.

    Args:
        fleet: The servers of one variant.
        weight: The share, before it is divided by the sum of all; of a shadow variant, the part
            of the requests that it gets copies of.
        capture: Keeps its exchanges, if it is configured to.
        active: How many of the servers take part; None is all.
    """

    fleet: Fleet
    weight: float
    capture: Capture | None
    active: int | None = None

    @property
    def servers(self) -> tuple[Server, ...]:
        """Those that take part; a server that is starting anew keeps its place."""
        return self.fleet.servers[: self.active]

    def least_busy(self, without: Container[Server] = ()) -> Server | None:
        """One of the healthy servers that answer the fewest requests; None if none is healthy."""
        ready = [server for server in self.servers if server.ready and server not in without]
        if not ready:
            return None
        least = min(server.in_flight for server in ready)
        return _RANDOM.choice([server for server in ready if server.in_flight == least])


@dataclass(slots=True)
class LiveEndpoint:
    """An endpoint's servers; replacing `routes` moves all traffic at once.

    Args:
        name: The endpoint.
        routes: The production variants.
        shadows: Variants that get copies of the production variant's requests.
        returning: True after a restart of the embedded AWS, until the servers are back.
    """

    name: str
    routes: tuple[Route, ...] = ()
    shadows: tuple[Route, ...] = ()
    returning: bool = False


def choose(routes: Sequence[Route]) -> Route:
    """One of the routes, by weight."""
    weights = [route.weight for route in routes]
    if len(routes) == 1 or not any(weights):
        return routes[0]
    return _RANDOM.choices(routes, weights)[0]


def sampled(share: float) -> bool:
    """Whether this request is one of a share of all."""
    return _RANDOM.random() < share


def retire(routes: Sequence[Route]) -> None:
    """Stop servers that get no traffic any more, once they have answered what they have."""
    for route in routes:
        route.fleet.retire()
    close_captures(routes)


def finish(live: LiveEndpoint, seconds: float) -> None:
    """Stop all servers of an endpoint that comes back later; what they answered is captured.

    Args:
        live: The endpoint.
        seconds: For how long requests may still be answered, and then the servers end.
    """
    routes = _taken(live)
    for route in routes:
        route.fleet.retire(seconds, seconds)
    close_captures(routes)


def close_captures(routes: Sequence[Route]) -> None:
    """Write what is captured and not written yet."""
    for route in routes:
        if route.capture is not None:
            route.capture.close()


def stop(live: LiveEndpoint, grace_seconds: float) -> None:
    """Stop all servers of an endpoint that goes away."""
    routes = _taken(live)
    for route in routes:
        route.fleet.stop(grace_seconds)
    close_captures(routes)


def _taken(live: LiveEndpoint) -> tuple[Route, ...]:
    """An endpoint's routes, which get no request any more."""
    routes = (*live.routes, *live.shadows)
    live.routes = live.shadows = ()
    return routes
