"""The parts of the documentation that follow from the code: `make docs` writes them."""

from operations.documentation.pages import with_part

__all__ = ["with_part"]
