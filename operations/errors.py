"""What an operation says when it cannot do what was asked."""


class OperationError(Exception):
    """A verb could not be carried out; the message says what was wrong and what to do."""
