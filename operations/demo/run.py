"""Playing the demo: the stages in order, each left to the deployed templates to bring about."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws.server import EmbeddedAws
from operations import executions, progress
from operations.console import readable
from operations.data import lake
from operations.data.own.mapping import FileMapping
from operations.demo.ledger import Ledger, PeakMemory, Stage
from operations.demo.story import Scale, Story, from_file, simulated
from operations.demo.traffic import Traffic
from operations.deployment import toolchain
from operations.deployment.revision import code_revision
from operations.deployment.status import stack_states
from operations.errors import OperationError
from operations.executions import PipelineExecution
from operations.models import approvals, registry
from operations.monitoring import drift
from operations.serving.replay import replay
from operations.serving.scoring import requests_of
from operations.target import Target, connect
from operations.waiting import looks
from pipeline_code.common.lake import Landing, write
from pipeline_code.contracts.metrics import Dimension
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.outputs import Output


class Demo:
    """One run of the loop on an embedded AWS of its own.

    Args:
        state: Folder of the embedded AWS; what an earlier demo left there is wiped.
        port: Port of the embedded AWS on 127.0.0.1.
        scale: How much is played.
        data: A transactions file to play instead of the simulator.
        mapping: What that file calls the lake's columns.
    """

    def __init__(
        self,
        *,
        state: Path,
        port: int,
        scale: Scale,
        data: Path | None = None,
        mapping: FileMapping | None = None,
    ) -> None:
        self.ledger = Ledger()
        self._embedded = EmbeddedAws(state, port)
        self._state, self._scale, self._data = state, scale, data
        self._mapping = mapping
        self._begun = self._period_began = time.monotonic()
        self._memory = PeakMemory()

    @property
    def result(self) -> dict[str, Any]:
        """The demo's JSON document; see the README for its keys."""
        seconds = time.monotonic() - self._begun
        return self.ledger.as_dict(seconds=seconds, peak_mib=self._memory.mib)

    def run(self, *, keep: bool = False) -> None:
        """Play every stage; the embedded AWS is stopped afterwards unless kept.

        Raises:
            Exception: What made a stage fail; the ledger holds the stages up to it.
        """
        self._begun = time.monotonic()
        others = os.umask(0o077)  # the templates and the data lie in the state folder too
        try:
            with self._memory:
                self._play()
        finally:
            os.umask(others)
            if not keep:
                self._embedded.stop()

    def _play(self) -> None:
        self._embedded.stop()
        self._embedded.check_free()
        # The templates and the data do not need the embedded AWS: made while it starts.
        with ThreadPoolExecutor(2) as pool:
            story_job = pool.submit(self._tell)
            if self._data is not None:
                # A file that cannot be played is refused before anything of an earlier demo goes.
                story_job.result()
            self._embedded.wipe()
            assembly = self._state / "cdk.out"
            synthesis = pool.submit(
                toolchain.synthesize, "local", assembly, revision=code_revision()
            )
            with self.ledger.stage("start the embedded AWS") as stage:
                self._start(stage)
            with self.ledger.stage("cdk bootstrap and cdk deploy --all") as stage:
                target = self._deploy(stage, assembly, synthesis.result)
            story = story_job.result()
        with self.ledger.stage("ingest the history") as stage:
            self._ingest(stage, target, story)
        with self.ledger.stage("query it in Athena") as stage:
            self._query(stage, target)
        with self.ledger.stage("train, evaluate, gate, register") as stage:
            first = self._train(stage, target)
        with self.ledger.stage("approve; CloudFormation deploys") as stage:
            self._approve(stage, target, first)
        with self.ledger.stage("score a week, reports arriving") as stage:
            self._score(stage, target, story, story.quiet, story.drift)
        with self.ledger.stage("monitor: nothing found") as stage:
            self._monitor(stage, target, expect_violations=False)
        with self.ledger.stage("score a week that drifts") as stage:
            self._score(stage, target, story, story.drift, story.end)
        with self.ledger.stage("monitor: drift found") as stage:
            self._monitor(stage, target, expect_violations=True)
        with self.ledger.stage("labels come; quality measured") as stage:
            self._measure(stage, target)
        with self.ledger.stage("event and Lambda retrain") as stage:
            second = self._retrained(stage, target)
        with self.ledger.stage("approve again; deployed under traffic") as stage:
            self._replace(stage, target, story, second)

    def _tell(self) -> Story:
        if self._data is not None:
            return from_file(self._data, self._scale, self._mapping)
        return simulated(self._scale)

    def _start(self, stage: Stage) -> None:
        self._embedded.start()
        running = self._embedded.connection()
        self._memory.include(running["pid"])
        stage.evidence = running["endpoint_url"]

    def _deploy(self, stage: Stage, assembly: Path, synthesized: Callable[[], None]) -> Target:
        target = connect("local", profile=None, region=None, state=self._state)
        logs = self._state / "logs"
        toolchain.bootstrap(target, log=logs / "cdk-bootstrap.log")
        synthesized()
        toolchain.deploy(target, assembly, log=logs / "cdk-deploy.log")
        states = stack_states(target)
        state = ", ".join(sorted(set(states.values())))
        stage.evidence = f"{len(states)} stacks {state}"
        return target

    def _ingest(self, stage: Stage, target: Target, story: Story) -> None:
        history = story.stream.between(story.start, story.quiet)
        folder = self._state / "staging" / "history"
        write(
            Landing(
                transactions=history.transactions,
                fraud_reports=history.fraud_reports,
                customers=story.customers,
            ),
            folder,
        )
        keys = lake.upload(target, folder)
        stage.evidence = f"{len(keys)} objects in s3://{target.output(Output.RAW_BUCKET)}"

    def _query(self, stage: Stage, target: Target) -> None:
        answer = lake.query(
            target,
            "SELECT count(*) AS transactions, sum(amount_minor) / 100 AS amount, "
            "(SELECT count(*) FROM fraud_reports) AS fraud_reports FROM transactions",
        )
        cells = zip(answer.columns, answer.rows[0], strict=True)
        stage.evidence = ", ".join(f"{name} {value}" for name, value in cells)

    def _train(self, stage: Stage, target: Target) -> str:
        arn = executions.start(target, reason="demo")
        return self._registered(stage, target, executions.watch(target, arn))

    def _registered(self, stage: Stage, target: Target, execution: PipelineExecution) -> str:
        package = executions.require_success(target, execution).model_package
        if package is None:
            raise OperationError(f"execution {execution.name} registered no model package")
        self.ledger.model_versions.append(package)
        stage.evidence = f"{package} by {execution.name}, {execution.arn}"
        return package

    def _approve(self, stage: Stage, target: Target, package: str) -> None:
        approvals.approve(target, package, reason="demo: beats the floor")
        stage.evidence = registry.await_deployment(target, package)

    def _score(
        self, stage: Stage, target: Target, story: Story, start: datetime, end: datetime
    ) -> None:
        self._period_began = time.monotonic()
        scored = replay(
            target,
            story.stream,
            start,
            end,
            asked=story.asked,
            on_day=lambda day, done: progress.update(
                f"{day:%Y-%m-%d}", f"{len(done.scores)} scored", ended=True
            ),
        )
        self.ledger.failed_requests += len(scored.failures)
        if scored.failures:
            raise OperationError(
                f"{len(scored.failures)} requests failed: {readable(scored.failures[0])}"
            )
        versions = ", ".join(sorted(set(scored.model_versions)))
        stage.evidence = f"{len(scored.scores)} requests answered by {versions}"

    def _monitor(self, stage: Stage, target: Target, *, expect_violations: bool) -> None:
        # Only what was asked in this period: on a laptop two weeks pass within the same hour.
        elapsed = timedelta(seconds=time.monotonic() - self._period_began)
        finding = drift.run_now(target, window=elapsed)
        features = sorted({item["feature_name"] for item in finding.violations})
        if bool(features) is not expect_violations:
            raise OperationError(f"monitor found {readable(finding.violations) or 'nothing'}")
        stage.evidence = f"{', '.join(features) or 'no violation'}: {finding.report}"

    def _measure(self, stage: Stage, target: Target) -> None:
        """The frauds of the first week have been reported while the second went by."""
        finding = drift.run_now(target, kind=MonitorKind.MODEL_QUALITY)
        maturity, figures = finding.analysis["maturity"], finding.analysis["measures"]
        if finding.broken or not maturity:
            raise OperationError(
                f"monitor found {readable(finding.violations)}, {maturity} can be judged"
            )
        precision = [
            f"average precision {figure['value']:.2f}, {figure['baseline']:.2f} when trained"
            for figure in figures
            if figure["dimensions"].get(Dimension.FIGURE) == "AveragePrecision"
        ]
        told = precision or [violation["description"] for violation in finding.violations]
        stage.evidence = f"{', '.join(told)}, {maturity:.0%} judged: {finding.report}"

    def _retrained(self, stage: Stage, target: Target, *, timeout_seconds: float = 120.0) -> str:
        """Wait for the execution that the deployed rule and Lambda started."""
        progress.update("retraining Lambda", "waited for")
        for _ in looks(timeout_seconds):
            for item in executions.recent(target, limit=5):
                if item.get("PipelineExecutionDisplayName", "").startswith("retrain-"):
                    arn = item["PipelineExecutionArn"]
                    progress.update("retraining Lambda", "started an execution", ended=True)
                    return self._registered(stage, target, executions.watch(target, arn))
        raise OperationError(f"no retraining began within {timeout_seconds:.0f} s of the violation")

    def _replace(self, stage: Stage, target: Target, story: Story, package: str) -> None:
        recent = story.stream.between(story.drift, story.end).transactions
        with Traffic(target, list(requests_of(recent.slice(0, 200)))) as traffic:
            approvals.approve(target, package, reason="demo: retrained after drift")
            endpoint = registry.await_deployment(target, package)
            before = len(traffic.scored.scores)
            while len(traffic.scored.scores) < before + 20 and not traffic.scored.failures:
                time.sleep(0.1)
        failures = traffic.scored.failures
        self.ledger.failed_requests += len(failures)
        versions = traffic.scored.model_versions
        if failures or package not in versions:
            answered = ", ".join(sorted(versions))
            raise OperationError(f"{len(failures)} failed requests, answers by {answered}")
        stage.evidence = f"{endpoint}: {len(traffic.scored.scores)} requests, 0 failed"
