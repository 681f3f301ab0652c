"""The error responses to requests that break a rule."""

__all__ = ["BAD_REQUEST", "NOT_ACCEPTABLE", "TOO_LARGE", "UNSUPPORTED", "RequestError"]

BAD_REQUEST = 400
NOT_ACCEPTABLE = 406
TOO_LARGE = 413
UNSUPPORTED = 415


class RequestError(Exception):
    """The request breaks a stated rule; carries the HTTP status and the reason."""

    def __init__(self, reason: str, status: int = BAD_REQUEST) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
