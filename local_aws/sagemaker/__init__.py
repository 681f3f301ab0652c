"""The local SageMaker: its control plane, jobs, pipelines, registry, feature store and endpoints.

`install` adds it to the embedded AWS's process, before the server starts to listen.
"""

from pathlib import Path


def install(state_dir: Path, endpoint_url: str) -> None:
    """Add the local SageMaker to the embedded AWS.

    Args:
        state_dir: Its folder: `sagemaker.db`, job roots in `ml/`, output in `logs/`.
        endpoint_url: Where the embedded AWS will listen.
    """
    # Imported here: the emulator reads its settings on import, after the launcher has made them.
    from local_aws.sagemaker import installation  # noqa: PLC0415

    installation.install(state_dir.resolve(), endpoint_url)
