"""The container image that all jobs, endpoints and stream functions run."""

from lifecycle.image.code_revision import code_revision
from lifecycle.image.container_image import ContainerImage

__all__ = ["ContainerImage", "code_revision"]
