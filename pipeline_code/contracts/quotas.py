"""Feature Store's quotas of an account and Region, as AWS gives them to everybody.

"Maximum Transactions per second (TPS) per API per AWS account: Soft limit of 10000 TPS per API
excluding the BatchGetRecord API call, which has a soft limit of 500 TPS."
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-quotas.html
"""

from typing import Final

__all__ = ["BATCH_GETS_A_SECOND", "CALLS_A_SECOND"]

CALLS_A_SECOND: Final = 10_000
BATCH_GETS_A_SECOND: Final = 500
