"""The records of jobs: their states, events, and what describes and lists them."""

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.sagemaker import queries, quotas
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, in_use, validation
from local_aws.sagemaker.events import job_changed, now
from local_aws.sagemaker.store import Document

_ALIVE = ("InProgress", "Stopping")


class JobRecords:
    """Jobs of one noun (`Processing`, `Training`, `Transform`, ...) in the store.

    Every change of a job's status goes through `change`, which emits SageMaker's event for it.

    Args:
        context: Shared state.
        noun: As operations and members spell it.
        kind: As ARNs spell it. If omitted, `<noun>-job` in lower case.
        title: As events and errors spell it. If omitted, the noun.
    """

    def __init__(
        self, context: Context, noun: str, kind: str | None = None, title: str | None = None
    ) -> None:
        self._context = context
        self.noun = noun
        self._title = noun if title is None else title
        self.kind = f"{noun.lower()}-job" if kind is None else kind
        self.name_member = f"{noun}JobName"
        self.status_member = f"{noun}JobStatus"

    def create(self, request: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
        """Record a new job, in progress; its ARN.

        Raises:
            ServiceError: If the name is taken, by a finished job too, as on AWS, or there is no
                room for its instances.
        """
        name, at = request[self.name_member], now()
        arn = self._context.arn(self.kind, name)
        document = {
            **{key: value for key, value in request.items() if key != "Tags"},
            f"{self.noun}JobArn": arn,
            self.status_member: "InProgress",
            "CreationTime": at,
            "LastModifiedTime": at,
            **extra,
        }
        with self._context.store.transaction():
            quotas.check_job(self._context, self.kind, request)
            added = self._context.store.add(self.kind, name, document)
        if not added:
            raise in_use(
                f"Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        self._emit(document)
        return arn

    def get(self, name: str) -> Document:
        """A job's description.

        Raises:
            ServiceError: If there is no such job.
        """
        document = self._context.store.get(self.kind, name)
        if document is None:
            raise self._missing(name)
        return document

    def _missing(self, name: str) -> ServiceError:
        """The answer for a job that there is not, of describing as of stopping it: the errors that
        aws-controllers-k8s/sagemaker-controller (generator.yaml) and amazon-sagemaker-operator-for-
        k8s (clientwrapper) expect; boto3 #2808 has that of training jobs."""
        if self.noun == "HyperParameterTuning":
            message = (
                f"Amazon SageMaker can't find a tuning job with the name {name}. You can see a "
                "complete list of your existing tuning jobs using the ListHyperParameterTuningJobs "
                "API."
            )
            return ServiceError("ResourceNotFound", message)
        if self.noun == "Training":
            return validation("Requested resource not found.")
        return validation(f"Could not find requested job with name: {name}")

    def change(
        self, name: str, change: Callable[[Document], object], *, silent: bool = False
    ) -> Document | None:
        """Change a job and tell; None if it is gone."""

        def apply(document: Document) -> None:
            change(document)
            document["LastModifiedTime"] = now()

        document = self._context.store.update(self.kind, name, apply)
        if document is not None and not silent:
            self._emit(document)
        return document

    def alive(self, name: str) -> bool:
        """Whether a job has not ended yet."""
        document = self._context.store.get(self.kind, name)
        return document is not None and document[self.status_member] in _ALIVE

    def stopping(self, name: str, change: Callable[[Document], object] = lambda _: None) -> None:
        """Mark a running job as stopping.

        Raises:
            ServiceError: If it has ended, or there is none.
        """
        document = self.get(name)
        status = document[self.status_member]
        if status not in _ALIVE:
            raise validation(
                f"The request was rejected because the {self._title.lower()} job is in status "
                f"{status}."
            )
        if status == "InProgress":

            def stop(job: Document) -> None:
                if job[self.status_member] == "InProgress":
                    job[self.status_member] = "Stopping"
                    change(job)

            self.change(name, stop)

    def page(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of a list operation."""
        documents = queries.select(
            self._context.store.list(self.kind),
            request,
            name=self.name_member,
            status=self.status_member,
            # As the API reference documents them, of each list for itself.
            default_order="Descending" if self.noun == "Transform" else "Ascending",
        )
        return queries.page(documents, request, f"{self.noun}JobSummaries")

    def recover(self, change: Callable[[Document], object] = lambda _: None) -> None:
        """Fail the jobs of an earlier run of the server, which ended with it."""

        def fail(document: Document) -> None:
            document[self.status_member] = "Failed"
            document["FailureReason"] = (
                "InternalServerError: the embedded AWS stopped while the job ran; start it again"
            )
            document[f"{self.noun}EndTime"] = document["LastModifiedTime"] = now()
            change(document)

        for document in self._context.store.list(self.kind):
            if document[self.status_member] in _ALIVE:
                self._context.store.update(self.kind, document[self.name_member], fail)

    def _emit(self, document: Document) -> None:
        tags = self._context.store.get("tags", document[f"{self.noun}JobArn"]) or {}
        job_changed(self._context, self.noun, self._title, document, tags)


def only(value: str | None, allowed: tuple[str, ...], field: str) -> None:
    """Refuse a mode that is not implemented.

    Raises:
        ServiceError: Naming the member and what it may be.
    """
    if value is not None and value not in allowed:
        raise validation(
            f"{field} must be {' or '.join(allowed)}, got {value}; here is no other",
        )
