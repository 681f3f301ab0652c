"""The guesses: what no document of AWS's, no error text and no recorded response says.

Each guess stands here once. Where one makes a refusal, or words one, the refusal says so, so that
nobody takes it for AWS's word; where one only chooses between two readings, code names it. What
hangs on each, and which can be asked of an account, says `behaviours/questions.toml`.
"""

from contextvars import ContextVar
from enum import StrEnum

from local_aws.behaviours import playing


class Guess(StrEnum):
    """What is guessed, as refusals say it; of two readings, the stricter one is here."""

    ALL_OF_FIREHOSE = "which of Firehose's documented actions it takes when, so all of them"
    ALARMS_UNSEEN = "that an update goes back whose role may not look at the alarms"
    BURSTS = "that a rate a second lets a second's worth come at once"
    BUS_ROLE = "that a bus of the same account takes a role, too"
    DIRECT_GRANTS = "that kms:GrantIsForAWSResource is false, and not absent, without a service"
    FEATURE_SOURCE = "that Feature Store names no source when it assumes a role"
    GROUP_OF_PACKAGES = "that packages are listed of their group, too"
    IMAGE_AT_ONCE = "that the image is looked at as soon as for a training job"
    KEY_AT_ONCE = "that the key is looked at as soon as it is given"
    LOG_GROUP_ANEW = "that SageMaker makes the log group, and looks into it, where it is there"
    MANY_VALUES = "that a key of many values meets no operator for one, but in what is denied"
    NETWORK_AT_ONCE = "that subnets and security groups are looked at as soon as they are named"
    PROCESSING_STOPS = "that a processing job has as long to stop as a training job"
    PACKAGES_READ = "that who registers a package must be able to read what it names"
    PIPELINES_STOP = "that an execution's jobs are stopped as the pipeline's role"
    QUEUE_KEYS = "that KMS is told no source by EventBridge for queues, as for topics"
    ROLE_AT_ONCE = "that the role is looked at as soon as it is given"
    UNSEEN = "neither that AWS refuses this has been seen nor its words"
    WORDS = "the words are not AWS's"


def guessed(words: str, *what: Guess) -> str:
    """A refusal's words that say what of it is a guess.

    Args:
        words: The refusal.
        what: The guesses that it rests on; none of them, or none that is still one, leaves the
            words as they are.
    """
    open_ = [each for each in what if not playing.is_settled(each.name)]
    return f"{words} (a guess: {'; '.join(open_)})" if open_ else words


# Of the decision that was made last.
_last: ContextVar[tuple[Guess, ...]] = ContextVar("last", default=())


def forget() -> None:
    """Begin a decision."""
    _last.set(())


def rest_on(what: Guess) -> None:
    """Note that the decision being made rests on a guess."""
    _last.set(tuple(dict.fromkeys((*_last.get(), what))))


def explained(denial: str) -> str:
    """The words of the last decision's denial, which say what guesses it rests on."""
    return guessed(denial, *_last.get())
