"""The streams of events: by customer, where producers write, and by terminal, behind it."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.access.key_use import allow_through
from lifecycle.lake.retention import data_removal_policy, named_removal_policy, tag_kept

__all__ = ["ON_DEMAND_SHARDS", "EventStream", "StreamConfig"]

# What an on-demand stream has at first: 4 MB and 4,000 records a second, as of four shards.
ON_DEMAND_SHARDS = 4

SHORTEST_RETENTION_HOURS = 24
LONGEST_RETENTION_HOURS = 365 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """How much the streams take and how long they keep it.

    Attributes:
        shards: Number of shards. If omitted, the streams are on-demand: AWS follows the traffic.
        retention_hours: An event can be read again for so long; it bounds how late a consumer may
            be, and how long a record that failed can still be replayed.
        delete_with_stack: Whether the streams are to go with their stack; the environment must
            agree.
    """

    shards: int | None = None
    retention_hours: int = 7 * 24
    delete_with_stack: bool = False

    def __post_init__(self) -> None:
        if self.shards is not None and self.shards < 1:
            raise ValueError(
                f"shards must be at least 1, got {self.shards}; leave it out for an on-demand "
                "stream"
            )
        if not SHORTEST_RETENTION_HOURS <= self.retention_hours <= LONGEST_RETENTION_HOURS:
            raise ValueError(
                f"retention_hours must be between {SHORTEST_RETENTION_HOURS} and "
                f"{LONGEST_RETENTION_HOURS}, got {self.retention_hours}; Kinesis keeps records "
                "neither shorter nor longer"
            )


class EventStream(Construct):
    """Takes events in the order of each partition key, and keeps them for a while.

    Guarantees:
        Records are encrypted under the given key.
        The stream survives its stack unless the configuration and the environment both give it up.

    Args:
        stream_name: Physical name; producers type it.
        encryption_key: The key of the records.
        config: Capacity and retention.
        may_delete_data: Whether the environment allows deleting data with the stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stream_name: str,
        encryption_key: kms.IKey,
        config: StreamConfig,
        may_delete_data: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.stream_name = stream_name
        self._key = encryption_key
        removal_policy = data_removal_policy(
            self, delete_with_stack=config.delete_with_stack, may_delete_data=may_delete_data
        )
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_name=stream_name,
            stream_mode=kinesis.StreamMode.ON_DEMAND
            if config.shards is None
            else kinesis.StreamMode.PROVISIONED,
            shard_count=config.shards,
            retention_period=Duration.hours(config.retention_hours),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=encryption_key,
            removal_policy=named_removal_policy(removal_policy),
        )
        tag_kept(self.stream)
        Validations.of(self.stream).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-KDS3",
                reason="The rule saves the price of requests to KMS; events are personal data, and "
                "who may decrypt them is for the lake's own key to say",
            )
        )

    def grant_put(self, grantee: iam.Role) -> None:
        """Allow putting records onto the stream."""
        self._grant(grantee, "kinesis:PutRecords")
        allow_through(grantee, self._key, "kinesis", "kms:GenerateDataKey")

    def grant_consume(self, grantee: iam.Role) -> None:
        """Allow reading the stream's records, as Lambda and Firehose do for their roles."""
        self._grant(
            grantee,
            "kinesis:DescribeStream",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        )
        allow_through(grantee, self._key, "kinesis", "kms:Decrypt")

    def _grant(self, grantee: iam.Role, *actions: str) -> None:
        iam.Grant.add_to_principal(
            grantee=grantee, actions=list(actions), resource_arns=[self.stream.stream_arn]
        )
