"""Stage 1, as it happens: events, the folds into the store, the landing in the lake."""

from lifecycle.streaming.consumer import ConsumerConfig
from lifecycle.streaming.event_stream import ON_DEMAND_SHARDS, EventStream, StreamConfig
from lifecycle.streaming.landing import LandingConfig, StreamLanding
from lifecycle.streaming.online_fold import OnlineFold

__all__ = [
    "ON_DEMAND_SHARDS",
    "ConsumerConfig",
    "EventStream",
    "LandingConfig",
    "OnlineFold",
    "StreamConfig",
    "StreamLanding",
]
