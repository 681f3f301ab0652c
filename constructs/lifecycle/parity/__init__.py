"""Stage 6: whether the features that the endpoint used are those of training."""

from lifecycle.parity.audit import ParityAudit
from lifecycle.parity.config import ParityAuditConfig

__all__ = ["ParityAudit", "ParityAuditConfig"]
