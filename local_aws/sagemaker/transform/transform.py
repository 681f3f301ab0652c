"""Batch transform jobs: a model's server of their own, fed from S3."""

import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError

from local_aws.sagemaker import data
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.fleets import Fleet
from local_aws.sagemaker.endpoints.models import check_instance_type, find_model, serving_container
from local_aws.sagemaker.endpoints.servers import TRANSFORM_LOGS, FleetSpec, ServerError
from local_aws.sagemaker.errors import ServiceError, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.jobs.records import JobRecords, only
from local_aws.sagemaker.transform import capture as transform_capture
from local_aws.sagemaker.transform.files import (
    Transformer,
    TransformFailedError,
    TransformStoppedError,
)
from local_aws.sagemaker.transform.records import processing
from local_aws.sagemaker.volumes import check_volume

_LOG = logging.getLogger(__name__)
_MEBIBYTE = 1024 * 1024
_DEFAULT_PAYLOAD_MB = 6
_MOST_MB = 100
_LONGEST_REASON = 1024


class Transform:
    """CreateTransformJob and its siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records = JobRecords(context, "Transform")
        self._stopping: dict[str, threading.Event] = {}

    def recover(self) -> None:
        """Fail what an earlier run of the server left in progress."""
        self._records.recover()

    def shutdown(self) -> None:
        """Stop all jobs."""
        for stopping in list(self._stopping.values()):
            stopping.set()

    def create_transform_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job."""
        _check(request)
        model = find_model(self._context, request["ModelName"])
        volume_key = request["TransformResources"].get("VolumeKmsKeyId")
        check_volume(volume_key, model["ExecutionRoleArn"])
        check_instance_type(
            self._context, model, request["TransformResources"]["InstanceType"], "Transform"
        )
        container = serving_container(self._context, model)
        arn = self._context.arn(self._records.kind, request["TransformJobName"])
        self._context.check_role(container.role_arn, arn)
        s3 = self._context.role_session(container.role_arn, "SageMaker").client("s3")
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        data.require_objects(s3, source, container.role_arn, "TransformInput S3Uri")
        name = request["TransformJobName"]
        variables = {
            **container.environment,
            **_variables(request),
            **request.get("Environment", {}),
        }
        spec = FleetSpec(
            name=name,
            variant="transform",
            container=replace(container, environment=variables),
            count=request["TransformResources"]["InstanceCount"],
            log_group=TRANSFORM_LOGS,
        )
        self._records.create(request, {})
        self._stopping[name] = threading.Event()
        thread = threading.Thread(
            target=self._work, args=(request, spec), name=f"transform-{name}", daemon=True
        )
        thread.start()
        return {"TransformJobArn": arn}

    def describe_transform_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a job."""
        return self._records.get(request["TransformJobName"])

    def list_transform_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Jobs, newest first."""
        return self._records.page(request)

    def stop_transform_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a job to stop; it writes no output then."""
        name = request["TransformJobName"]
        self._records.stopping(name)
        if name in self._stopping:
            self._stopping[name].set()
        return {}

    def _work(self, request: dict[str, Any], spec: FleetSpec) -> None:
        name = request["TransformJobName"]
        outcome: dict[str, Any] = {"TransformJobStatus": "Completed"}
        try:
            with self._context.job_slots:
                self._transform(request, spec)
        except TransformStoppedError:
            outcome = {"TransformJobStatus": "Stopped"}
        except (TransformFailedError, ServerError, data.TransferError) as error:
            outcome = _failure(str(error))
        except (ServiceError, OSError, BotoCoreError) as error:
            outcome = _failure(f"InternalServerError: {error}")
        except Exception as error:
            _LOG.exception("transform job %s failed", name)
            outcome = _failure(f"InternalServerError: {error!r}")
        del self._stopping[name]
        outcome["TransformEndTime"] = now()
        self._records.change(name, lambda job: job.update(outcome))

    def _transform(self, request: dict[str, Any], spec: FleetSpec) -> None:
        name, stopping = request["TransformJobName"], self._stopping[request["TransformJobName"]]
        s3 = self._context.role_session(spec.container.role_arn, "SageMaker").client("s3")
        fleet = Fleet(self._context, spec)
        try:
            source, target = fleet.root / "transform" / "in", fleet.root / "transform" / "out"
            uri = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
            data.download(s3, data.S3Folder(uri=uri, path=source))
            fleet.start()
            began = {"TransformStartTime": now()}
            self._records.change(name, lambda job: job.update(began), silent=True)
            names = sorted(
                file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()
            )
            pairs = [(source / name, target / f"{name}.out") for name in names]
            failures = Transformer(fleet, request, _payload(request), stopping).transform(pairs)
            output = request["TransformOutput"]
            folder = data.S3Folder(
                uri=output["S3OutputPath"], path=target, key_id=output.get("KmsKeyId")
            )
            target.mkdir(parents=True, exist_ok=True)
            data.upload(s3, folder)
            if failures:
                raise TransformFailedError(_reason(failures, len(names)))
            if "DataCaptureConfig" in request:
                written = [f"{name}.out" for name in names]
                sides = {"input": (_folder(uri, names), names), "output": (folder.uri, written)}
                config = request["DataCaptureConfig"]
                transform_capture.write(s3, config, began["TransformStartTime"], sides)
        finally:
            fleet.stop()


def _check(request: dict[str, Any]) -> None:
    """Refuse what is not implemented, before anything is started."""
    source, output = request["TransformInput"], request["TransformOutput"]
    location = source["DataSource"].get("S3DataSource")
    if location is None:
        raise validation("TransformInput.DataSource must have an S3DataSource")
    only(location["S3DataType"], ("S3Prefix",), "TransformInput S3DataType")
    only(source.get("SplitType"), ("None", "Line"), "TransformInput SplitType")
    data.split(location["S3Uri"], "TransformInput S3Uri")
    data.split(output["S3OutputPath"], "TransformOutput S3OutputPath")
    processing(request)  # refuses filters that cannot be read
    if "DataCaptureConfig" in request:
        uri = request["DataCaptureConfig"]["DestinationS3Uri"]
        data.split(uri, "DataCaptureConfig DestinationS3Uri")
    megabytes = request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MB)
    at_once = max(1, request.get("MaxConcurrentTransforms", 1))
    if megabytes * at_once > _MOST_MB:
        raise validation(
            f"MaxConcurrentTransforms * MaxPayloadInMB must be at most {_MOST_MB} MB, got "
            f"{at_once} * {megabytes}"
        )


def _reason(failures: Sequence[str], files: int) -> str:
    """A job's failure reason: the first file's, and how many there are."""
    if len(failures) == 1:
        return failures[0]
    return f"{failures[0]} ({len(failures)} of {files} files failed)"


def _folder(uri: str, names: Sequence[str]) -> str:
    """What an input's names are below: its address, or that of the folder an object lies in."""
    is_object = len(names) == 1 and uri.endswith(f"/{names[0]}")
    return uri.removesuffix(f"/{names[0]}") if is_object else uri


def _payload(request: dict[str, Any]) -> int:
    """The most bytes of one request; 0 is no limit."""
    asked = request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MB)
    return int(asked) * _MEBIBYTE if asked > 0 else sys.maxsize


def _variables(request: dict[str, Any]) -> dict[str, str]:
    """What SageMaker tells the server of a transform job."""
    return {
        "SAGEMAKER_BATCH": "True",
        "SAGEMAKER_BATCH_STRATEGY": request.get("BatchStrategy", "MultiRecord"),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MB)),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms", 1)),
    }


def _failure(reason: str) -> dict[str, Any]:
    return {"TransformJobStatus": "Failed", "FailureReason": reason[:_LONGEST_REASON]}
