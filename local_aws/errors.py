"""Why an embedded AWS cannot be started, stopped or reached."""


class EmbeddedAwsError(Exception):
    """The embedded AWS cannot be started, stopped or reached."""


class QuotasError(EmbeddedAwsError):
    """The file of quotas says what cannot be, or the running server was started with others."""


class RegionError(EmbeddedAwsError):
    """The Region is none, or not that of the state."""


class BehaviourError(EmbeddedAwsError):
    """What it is to play is no reading of an open question, or another than it plays."""


class PortTakenError(EmbeddedAwsError):
    """Another process listens on the port."""


class StateFolderError(EmbeddedAwsError):
    """The state folder is none, or may not be written."""


class StateInUseError(EmbeddedAwsError):
    """Another embedded AWS runs with the same state folder."""


class NotRunningError(EmbeddedAwsError):
    """No embedded AWS runs with this state folder."""
