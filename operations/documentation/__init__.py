"""The parts of the documentation that follow from the code: `make docs` writes them."""

from operations.documentation.pages import with_table

__all__ = ["with_table"]
