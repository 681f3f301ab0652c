from collections.abc import Callable, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.config import EndpointConfig, ServerConfig
from lifecycle.endpoint.endpoint import SelfDeployingEndpoint
from lifecycle.endpoint.health import HealthConfig, ScoreLimits
from lifecycle.endpoint.rollout import AllAtOnce, Canary, Linear, RolloutConfig, Strategy
from lifecycle.endpoint.scaling import ScalingConfig, ScheduledFloor
from lifecycle.endpoint.serverless import ServerlessConfig
from lifecycle.endpoint.shadow import ShadowConfig
from lifecycle.image.container_image import ContainerImage
from local_aws.alarms.metric_math import Series, evaluate
from pipeline_code.contracts.packages import NO_MODEL, spelled
from pipeline_code.serve.metrics import COUNTS, LISTS
from pipeline_code.serve.settings import ServerSettings

CONDITIONAL = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Model",
)


CONFIG = EndpointConfig(
    instance_type="ml.c6i.xlarge",
    scaling=ScalingConfig(
        min_instances=3,
        max_instances=7,
        invocations_per_minute=1234,
        concurrent_requests=5.5,
        scale_in_seconds=11,
        scale_out_seconds=12,
    ),
    rollout=RolloutConfig(
        strategy=Canary(percent=34, wait_seconds=21), old_fleet_seconds=22, timeout_seconds=623
    ),
    health=HealthConfig(
        max_errors_per_minute=2,
        max_latency_milliseconds=75,
        max_degraded_percent=7,
        scores=ScoreLimits(min_answers=33, max_flagged_percent=12, min_mean=0.01, max_mean=0.4),
    ),
    server=ServerConfig(workers=3, store_budget_milliseconds=44, state_cache_seconds=0.5),
)

# The ARN in the approved package's parameter.
APPROVED = {
    "Fn::Select": [
        0,
        {"Fn::Split": ["|", {"Fn::Join": ["", [{"Ref": "Package"}, "|||||"]]}]},
    ]
}

Synthesize = Callable[[EndpointConfig], Template]


@pytest.fixture(scope="module")
def synthesize(new_stack: Callable[[], cdk.Stack]) -> Synthesize:
    """The template of an endpoint of that configuration."""

    def template_of(config: EndpointConfig) -> Template:
        stack = new_stack()
        key = kms.Key(stack, "Key")
        package, challenger = (
            cdk.CfnParameter(stack, name, default="none") for name in ("Package", "Challenger")
        )
        SelfDeployingEndpoint(
            stack,
            "Endpoint",
            endpoint_name="fraudloop-test-fraud",
            approved_package=package.value_as_string,
            challenger=challenger.value_as_string if config.shadow else None,
            environment={"CUSTOMER_FEATURE_GROUP": "customers"},
            metric_namespace="fraudloop/test",
            image=ContainerImage(
                stack, "Image", encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY
            ),
            artifacts_bucket=s3.Bucket(stack, "Artifacts"),
            captures_bucket=s3.Bucket(stack, "Captures"),
            encryption_key=key,
            topic=AlarmTopic(stack, "Topic", encryption_key=key),
            config=config,
        )
        return Template.from_stack(stack)

    return template_of


@pytest.fixture(scope="module")
def template(synthesize: Synthesize) -> Template:
    return synthesize(CONFIG)


def only(template: Template, kind: str) -> tuple[str, dict[str, Any]]:
    ((logical_id, body),) = template.find_resources(kind).items()
    return logical_id, dict(body)


def properties(template: Template, kind: str) -> dict[str, Any]:
    return dict(only(template, kind)[1]["Properties"])


def key_arn(template: Template) -> dict[str, Any]:
    return {"Fn::GetAtt": [only(template, "AWS::KMS::Key")[0], "Arn"]}


def test_there_is_no_endpoint_until_a_package_is_approved(template: Template) -> None:
    ((condition, expression),) = template.find_conditions("*").items()
    assert expression == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Package"}, "none"]}]}
    for kind in CONDITIONAL:
        for body in template.find_resources(kind).values():
            assert body["Condition"] == condition, kind


def test_the_model_is_the_approved_package_and_told_which_it_is(template: Template) -> None:
    assert properties(template, "AWS::SageMaker::Model")["PrimaryContainer"] == {
        "ModelPackageName": APPROVED,
        "Environment": {
            "CUSTOMER_FEATURE_GROUP": "customers",
            "METRIC_NAMESPACE": "fraudloop/test",
            "ENDPOINT_NAME": "fraudloop-test-fraud",
            "SERVE_WORKERS": "3",
            "SERVE_STORE_BUDGET_MILLISECONDS": "44",
            "SERVE_STATE_CACHE_SECONDS": "0.5",
            "MODEL_PACKAGE_ARN": APPROVED,
            "MODEL_PACKAGE": {"Ref": "Package"},
            "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"},
        },
    }


def test_the_server_has_a_worker_for_each_core_unless_it_is_told(synthesize: Synthesize) -> None:
    model = properties(synthesize(EndpointConfig()), "AWS::SageMaker::Model")
    assert "SERVE_WORKERS" not in model["PrimaryContainer"]["Environment"]


def test_the_model_is_made_after_its_roles_policy(template: Template) -> None:
    _, model = only(template, "AWS::SageMaker::Model")
    assert any(name.startswith("EndpointRoleDefaultPolicy") for name in model["DependsOn"])


def test_what_a_new_version_replaces_has_no_name(template: Template) -> None:
    assert "ModelName" not in properties(template, "AWS::SageMaker::Model")
    assert "EndpointConfigName" not in properties(template, "AWS::SageMaker::EndpointConfig")


def test_the_endpoint_keeps_its_name_and_takes_the_new_configuration(template: Template) -> None:
    config_id, _ = only(template, "AWS::SageMaker::EndpointConfig")
    endpoint = properties(template, "AWS::SageMaker::Endpoint")
    assert endpoint["EndpointName"] == "fraudloop-test-fraud"
    assert endpoint["EndpointConfigName"] == {"Fn::GetAtt": [config_id, "EndpointConfigName"]}


def test_everything_asked_and_answered_is_captured_encrypted(template: Template) -> None:
    config = properties(template, "AWS::SageMaker::EndpointConfig")
    capture = config["DataCaptureConfig"]
    assert capture["EnableCapture"] is True
    assert capture["InitialSamplingPercentage"] == 100
    assert [option["CaptureMode"] for option in capture["CaptureOptions"]] == ["Input", "Output"]
    assert capture["KmsKeyId"] == key_arn(template)
    assert capture["CaptureContentTypeHeader"] == {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json", "application/jsonlines"],
    }


def test_the_fleets_volumes_are_encrypted(template: Template) -> None:
    assert properties(template, "AWS::SageMaker::EndpointConfig")["KmsKeyId"] == key_arn(template)


def test_the_servers_log_is_there_before_them_and_goes_with_its_stack(template: Template) -> None:
    ((logical_id, log),) = template.find_resources(
        "AWS::Logs::LogGroup", {"Properties": {"LogGroupName": Match.any_value()}}
    ).items()
    assert "Condition" not in log
    # What was kept would be in the way of the next deployment: the name is SageMaker's.
    assert log["DeletionPolicy"] == log["UpdateReplacePolicy"] == "Delete"
    assert log["Properties"] == {
        "LogGroupName": "/aws/sagemaker/Endpoints/fraudloop-test-fraud",
        "KmsKeyId": key_arn(template),
        "RetentionInDays": 90,
    }
    # By reference, so that the policy comes later and goes earlier than the group.
    assert {"Ref": logical_id} in logged_to(template)


def logged_to(template: Template) -> list[Any]:
    """The parts of the ARN that the endpoint's role may write log events to."""
    policies = template.find_resources("AWS::IAM::Policy")
    (policy,) = (p for name, p in policies.items() if name.startswith("EndpointRoleDefault"))
    (statement,) = (
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "logs:PutLogEvents" in statement["Action"]
    )
    return list(statement["Resource"]["Fn::Join"][1])


def test_sagemaker_measures_the_instances_as_the_endpoints_role(template: Template) -> None:
    statement = {
        "Action": "cloudwatch:PutMetricData",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}},
        "Effect": "Allow",
        "Resource": "*",
    }
    template.has_resource_properties(
        "AWS::IAM::Policy", {"PolicyDocument": {"Statement": Match.array_with([statement])}}
    )


def test_the_fleet_is_as_configured(template: Template) -> None:
    (variant,) = properties(template, "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    assert variant["VariantName"] == "primary"
    assert variant["InstanceType"] == "ml.c6i.xlarge"
    assert variant["InitialInstanceCount"] == 3


def test_a_new_version_comes_as_a_canary(template: Template) -> None:
    deployment = properties(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    assert deployment["BlueGreenUpdatePolicy"] == {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 34},
            "WaitIntervalInSeconds": 21,
        },
        "TerminationWaitInSeconds": 22,
        "MaximumExecutionTimeoutInSeconds": 623,
    }


@pytest.mark.parametrize(
    ("strategy", "routing"),
    [
        (
            Linear(step_percent=40, wait_seconds=31),
            {
                "Type": "LINEAR",
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40},
                "WaitIntervalInSeconds": 31,
            },
        ),
        (AllAtOnce(), {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}),
    ],
)
def test_a_new_version_comes_in_the_configured_steps(
    synthesize: Synthesize, strategy: Strategy, routing: Mapping[str, Any]
) -> None:
    config = EndpointConfig(
        rollout=RolloutConfig(strategy=strategy), scaling=ScalingConfig(min_instances=3)
    )
    endpoint = properties(synthesize(config), "AWS::SageMaker::Endpoint")
    policy = endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == routing


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    """Each alarm by its construct's id."""
    found = template.find_resources("AWS::CloudWatch::Alarm")
    return {name[len("EndpointAlarms") : -8]: body["Properties"] for name, body in found.items()}


def test_alarms_on_what_a_version_does_roll_it_back(template: Template) -> None:
    deployment = properties(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    watched = {
        alarm["AlarmName"]["Ref"][len("EndpointAlarms") : -8]
        for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]
    }
    assert watched == {"Errors", "Latency", "FailedAnswers", "Flagged", "HighScores", "LowScores"}
    # SageMaker takes ten at most.
    assert set(alarms(template)) - watched == {"Degraded", "Unmeasured"}


def test_every_alarm_notifies_the_topic(template: Template) -> None:
    topic, _ = only(template, "AWS::SNS::Topic")
    assert all(alarm["AlarmActions"] == [{"Ref": topic}] for alarm in alarms(template).values())


def test_sagemaker_may_ask_whether_an_alarm_went_off(template: Template) -> None:
    place = Match.array_with([Match.string_like_regexp(":alarm:Test-\\*$")])
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": "cloudwatch:DescribeAlarms",
                            "Resource": {"Fn::Join": ["", place]},
                        }
                    ]
                )
            }
        },
    )


def test_an_update_keeps_the_instances_that_scaling_added(template: Template) -> None:
    endpoint = properties(template, "AWS::SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    excluded = {p["VariantPropertyType"] for p in endpoint["ExcludeRetainedVariantProperties"]}
    assert excluded == {"DesiredWeight", "DataCaptureConfig"}


def test_the_fleet_scales_with_the_load_of_an_instance(template: Template) -> None:
    endpoint_id, _ = only(template, "AWS::SageMaker::Endpoint")
    target = properties(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 7)
    assert target["ResourceId"]["Fn::Join"][1] == [
        "endpoint/",
        {"Fn::GetAtt": [endpoint_id, "EndpointName"]},
        "/variant/primary",
    ]
    assert "ScheduledActions" not in target
    assert tracked(template) == {
        "invocations-per-instance": {
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
            "TargetValue": 1234,
            "ScaleInCooldown": 11,
            "ScaleOutCooldown": 12,
        },
        "concurrent-requests": {
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
            "TargetValue": 5.5,
            "ScaleInCooldown": 11,
            "ScaleOutCooldown": 12,
        },
    }


def tracked(template: Template) -> dict[str, Any]:
    """What each scaling policy follows."""
    policies = template.find_resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    return {
        policy["Properties"]["PolicyName"]: policy["Properties"][
            "TargetTrackingScalingPolicyConfiguration"
        ]
        for policy in policies
    }


def test_a_target_that_is_switched_off_is_not_followed(synthesize: Synthesize) -> None:
    scaling = ScalingConfig(concurrent_requests=None, scale_in_seconds=None)
    (policy,) = tracked(synthesize(EndpointConfig(scaling=scaling))).values()
    assert policy["PredefinedMetricSpecification"]["PredefinedMetricType"] == (
        "SageMakerVariantInvocationsPerInstance"
    )
    assert policy["DisableScaleIn"] is True
    assert "ScaleInCooldown" not in policy
    assert tracked(
        synthesize(EndpointConfig(scaling=ScalingConfig(invocations_per_minute=None)))
    ).keys() == {"concurrent-requests"}


def test_floors_come_at_their_times(synthesize: Synthesize) -> None:
    floors = (
        ScheduledFloor(
            name="morning",
            schedule="cron(0 7 * * ? *)",
            timezone="Europe/Berlin",
            min_instances=6,
            max_instances=9,
        ),
        ScheduledFloor(name="evening", schedule="cron(0 20 * * ? *)", min_instances=2),
    )
    scaling = ScalingConfig(max_instances=8, floors=floors)
    target = properties(
        synthesize(EndpointConfig(scaling=scaling)), "AWS::ApplicationAutoScaling::ScalableTarget"
    )
    assert target["ScheduledActions"] == [
        {
            "ScheduledActionName": "morning",
            "Schedule": "cron(0 7 * * ? *)",
            "Timezone": "Europe/Berlin",
            "ScalableTargetAction": {"MinCapacity": 6, "MaxCapacity": 9},
        },
        {
            "ScheduledActionName": "evening",
            "Schedule": "cron(0 20 * * ? *)",
            "Timezone": "UTC",
            "ScalableTargetAction": {"MinCapacity": 2},
        },
    ]


VARIANT = [
    {"Name": "EndpointName", "Value": "fraudloop-test-fraud"},
    {"Name": "VariantName", "Value": "primary"},
]
VERSION = [
    {"Name": "EndpointName", "Value": "fraudloop-test-fraud"},
    {"Name": "ModelVersion", "Value": APPROVED},
]
ENDPOINT = [{"Name": "EndpointName", "Value": "fraudloop-test-fraud"}]


@pytest.mark.parametrize(
    ("name", "metric", "dimensions", "threshold"),
    [
        ("Errors", "AWS/SageMaker Invocation5XXErrors Sum", VARIANT, 2),
        ("Latency", "AWS/SageMaker ModelLatency p99", VARIANT, 75_000),
        ("FailedAnswers", "fraudloop/test FailedAnswers Sum", VERSION, 2),
    ],
)
def test_errors_and_slowness_are_alarms_and_silence_is_not(
    template: Template, name: str, metric: str, dimensions: object, threshold: int
) -> None:
    alarm = alarms(template)[name]
    statistic = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
    assert f"{alarm['Namespace']} {alarm['MetricName']} {statistic}" == metric
    assert alarm["Dimensions"] == dimensions
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", threshold)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 1)


@pytest.mark.parametrize(
    ("name", "dimensions", "comparison", "threshold", "cases"),
    [
        # Answers in the minute, the other metric, and what the alarm compares.
        ("Flagged", VERSION, "GreaterThan", 12, [(33, 3.3, 10), (32, 32, 0), (50, None, 0)]),
        ("Degraded", ENDPOINT, "GreaterThan", 7, [(40, 40, 100), (32, 32, 0)]),
        ("HighScores", VERSION, "GreaterThan", 0.4, [(33, 0.7, 0.7), (32, 0.7, 0)]),
        ("LowScores", VERSION, "LessThan", 0.01, [(33, 0.001, 0.001), (32, 0.001, 1)]),
    ],
)
def test_what_a_version_answers_is_judged_once_there_is_enough_of_it(
    template: Template,
    name: str,
    dimensions: object,
    comparison: str,
    threshold: float,
    cases: list[tuple[float, float | None, float]],
) -> None:
    alarm = alarms(template)[name]
    assert alarm["ComparisonOperator"] == f"{comparison}Threshold"
    assert alarm["Threshold"] == threshold
    assert alarm["TreatMissingData"] == "notBreaching"
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    metrics = {each["Id"]: each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert all(each["Metric"]["Namespace"] == "fraudloop/test" for each in metrics.values())
    assert all(each["Metric"]["Dimensions"] == dimensions for each in metrics.values())
    assert all(each["Period"] == 60 for each in metrics.values())
    assert metrics.pop("answers")["Metric"]["MetricName"] == "Answers"
    ((other, _),) = metrics.items()
    for answers, value, expected in cases:
        series: dict[str, Series] = {"answers": [answers], other: [value]}
        assert evaluate(expression, series) == [pytest.approx(expected)]
    assert evaluate(expression, {"answers": [None], other: [None]}) == [None]


def test_answers_that_nobody_counted_are_told(template: Template) -> None:
    """Without the server's log there is none of its metrics, and the alarms on them sleep."""
    alarm = alarms(template)["Unmeasured"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (3, "notBreaching")
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    metrics = {each["Id"]: each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert {each["Period"] for each in metrics.values()} == {300}
    assert metrics["answers"]["Metric"]["Namespace"] == "fraudloop/test"
    for invocations, refused, failed, answers, expected in (
        (9, None, None, 12, 0),
        (9, None, None, None, 9),
        (9, 5, 4, None, 0),
        (9, 5, 3, None, 1),
        (None, None, None, None, None),
    ):
        series: dict[str, Series] = {
            "invocations": [invocations],
            "refused": [refused],
            "failed": [failed],
            "answers": [answers],
        }
        assert evaluate(expression, series) == [expected]


def test_alarms_are_on_what_the_server_publishes(template: Template) -> None:
    asked = {
        stat["Metric"]["MetricName"]
        for alarm in alarms(template).values()
        for stat in (each.get("MetricStat") for each in alarm.get("Metrics", ()))
        if stat is not None and stat["Metric"]["Namespace"] == "fraudloop/test"
    } | {alarms(template)["FailedAnswers"]["MetricName"]}
    assert asked <= {*LISTS, *COUNTS}


def test_the_server_reads_what_it_is_told(template: Template) -> None:
    told = properties(template, "AWS::SageMaker::Model")["PrimaryContainer"]["Environment"]
    spelled = f"arn:fraud/2|image|s3://a/b|0.25|none|{'0d' * 32}"
    values = {"Package": spelled, "AWS::Region": "eu-west-1"}
    told = {name: str(evaluated(value, values)) for name, value in told.items()}
    read = ServerSettings.from_environment({**told, "TERMINAL_FEATURE_GROUP": "terminals"})
    assert (read.thresholds.review, read.model_digest) == (0.25, "0d" * 32)
    assert read.workers == 3
    assert (read.states.budget_seconds, read.states.cache_seconds) == (0.044, 0.5)
    assert read.metrics is not None
    assert read.metrics.namespace == "fraudloop/test"
    assert read.metrics.endpoint_name == "fraudloop-test-fraud"
    assert read.metrics.model_version == told["MODEL_PACKAGE_ARN"] == "arn:fraud/2"


def test_limits_that_are_switched_off_are_no_alarms(synthesize: Synthesize) -> None:
    health = HealthConfig(
        max_degraded_percent=None,
        scores=ScoreLimits(max_flagged_percent=None, min_mean=None, max_mean=None),
    )
    assert set(alarms(synthesize(EndpointConfig(health=health)))) == {
        "Errors",
        "Latency",
        "FailedAnswers",
        "Unmeasured",
    }


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ("s3:GetObject", "/models/*"),
        ("s3:PutObject", "/fraudloop-test-fraud/*"),
    ],
)
def test_the_container_reads_models_and_writes_its_captures(
    template: Template, action: str, place: str
) -> None:
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": action,
                            "Resource": {"Fn::Join": ["", [Match.any_value(), place]]},
                        }
                    ]
                )
            }
        },
    )


@pytest.fixture(scope="module")
def shadowed(synthesize: Synthesize) -> Template:
    shadow = ShadowConfig(percent=25, instance_count=3, instance_type="ml.c6i.2xlarge")
    return synthesize(EndpointConfig(shadow=shadow))


def test_a_challenger_is_asked_a_share_of_what_the_champion_is(shadowed: Template) -> None:
    config = properties(shadowed, "AWS::SageMaker::EndpointConfig")
    assert [variant["VariantName"] for variant in config["ProductionVariants"]] == ["primary"]
    condition, variants, otherwise = config["ShadowProductionVariants"]["Fn::If"]
    models = shadowed.find_resources("AWS::SageMaker::Model")
    (challenger,) = [name for name, body in models.items() if body["Condition"] == condition]
    assert variants == [
        {
            "VariantName": "challenger",
            "ModelName": {"Fn::GetAtt": [challenger, "ModelName"]},
            "InstanceType": "ml.c6i.2xlarge",
            "InitialInstanceCount": 3,
            "InitialVariantWeight": 0.25,
        }
    ]
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert config["ProductionVariants"][0]["InitialVariantWeight"] == 1


def test_a_challenger_runs_on_the_endpoints_instances_unless_it_is_told(
    synthesize: Synthesize,
) -> None:
    config = EndpointConfig(instance_type="ml.c6i.4xlarge", shadow=ShadowConfig())
    variants = properties(synthesize(config), "AWS::SageMaker::EndpointConfig")
    (variant,) = variants["ShadowProductionVariants"]["Fn::If"][1]
    assert (variant["InstanceType"], variant["InitialVariantWeight"]) == ("ml.c6i.4xlarge", 1)


def evaluated(value: Any, parameters: Mapping[str, str]) -> Any:
    """What CloudFormation makes of an expression or a condition."""
    if isinstance(value, list):
        return [evaluated(each, parameters) for each in value]
    if not isinstance(value, dict):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return parameters[argument]
    found = evaluated(argument, parameters)
    functions: dict[str, Callable[[], Any]] = {
        "Fn::And": lambda: all(found),
        "Fn::Not": lambda: not found[0],
        "Fn::Equals": lambda: found[0] == found[1],
        "Fn::Join": lambda: found[0].join(found[1]),
        "Fn::Select": lambda: found[1][int(found[0])],
        "Fn::Split": lambda: found[1].split(found[0]),
    }
    return functions[function]()


def challenger_container(template: Template) -> dict[str, Any]:
    (container,) = (
        body["Properties"]["PrimaryContainer"]
        for name, body in template.find_resources("AWS::SageMaker::Model").items()
        if name == "fraudlooptestfraudchallenger"
    )
    return dict(container)


def test_a_challenger_runs_what_its_package_holds(shadowed: Template) -> None:
    package = {
        "ModelPackageArn": "arn:aws:sagemaker:eu-west-1:0:model-package/fraud/7",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": "repository:tag",
                    "ModelDataUrl": "s3://bucket/models/model.tar.gz",
                    "Environment": {
                        "REVIEW_THRESHOLD": "0.25",
                        "DECLINE_THRESHOLD": "none",
                        "MODEL_DIGEST": "0d" * 32,
                    },
                }
            ]
        },
    }
    container = challenger_container(shadowed)
    parameters = {"Challenger": spelled(package), "AWS::Region": "eu-west-1"}
    assert evaluated(container["Image"], parameters) == "repository:tag"
    assert evaluated(container["ModelDataUrl"], parameters) == "s3://bucket/models/model.tar.gz"
    told = {name: evaluated(value, parameters) for name, value in container["Environment"].items()}
    assert told["MODEL_PACKAGE_ARN"] == package["ModelPackageArn"]
    assert told["MODEL_PACKAGE"] == spelled(package)
    assert told["CUSTOMER_FEATURE_GROUP"] == "customers"
    assert told["AWS_DEFAULT_REGION"] == "eu-west-1"
    # What nobody hears does not count as the endpoint's.
    assert told["ENDPOINT_NAME"] == "fraudloop-test-fraud-challenger"


def test_nobody_as_challenger_is_resolved_all_the_same(shadowed: Template) -> None:
    container = challenger_container(shadowed)
    nobody = {"Challenger": NO_MODEL}
    assert evaluated(container["Environment"]["MODEL_PACKAGE_ARN"], nobody) == NO_MODEL
    assert evaluated(container["ModelDataUrl"], nobody) == ""


@pytest.mark.parametrize(
    ("champion", "challenger", "endpoint", "shadow"),
    [
        ("none", "none", False, False),
        ("none", "package/2|image|data|0.5|0.9|0d", False, False),
        ("package/1|image|data|0.5|0.9|1e", "none", True, False),
        ("package/1|image|data|0.5|0.9|1e", "package/2|image|data|0.5|0.9|0d", True, True),
    ],
)
def test_there_is_a_challenger_while_one_is_named_beside_the_champion(
    shadowed: Template, champion: str, challenger: str, endpoint: bool, shadow: bool
) -> None:
    conditions = shadowed.find_conditions("*")
    values = {"Package": champion, "Challenger": challenger}
    config = only(shadowed, "AWS::SageMaker::EndpointConfig")[1]
    assert evaluated(conditions[config["Condition"]], values) is endpoint
    variants = config["Properties"]["ShadowProductionVariants"]["Fn::If"][0]
    assert evaluated(conditions[variants], values) is shadow
    models = shadowed.find_resources("AWS::SageMaker::Model").values()
    assert {model["Condition"] for model in models} == {config["Condition"], variants}


def test_without_a_shadow_nothing_of_it_is_in_the_template(template: Template) -> None:
    assert "ShadowProductionVariants" not in properties(template, "AWS::SageMaker::EndpointConfig")
    template.resource_count_is("AWS::SageMaker::Model", 1)


@pytest.fixture(scope="module")
def serverless(synthesize: Synthesize) -> Template:
    config = ServerlessConfig(memory_mb=3072, max_concurrency=7, provisioned_concurrency=2)
    return synthesize(EndpointConfig(serverless=config))


def test_serverless_has_no_instances_and_nothing_that_needs_them(serverless: Template) -> None:
    config = properties(serverless, "AWS::SageMaker::EndpointConfig")
    (variant,) = config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {
        "MemorySizeInMB": 3072,
        "MaxConcurrency": 7,
        "ProvisionedConcurrency": 2,
    }
    assert not {"InstanceType", "InitialInstanceCount"} & set(variant)
    assert not {"DataCaptureConfig", "KmsKeyId", "ShadowProductionVariants"} & set(config)
    endpoint = properties(serverless, "AWS::SageMaker::Endpoint")
    assert set(endpoint) == {"EndpointName", "EndpointConfigName"}
    serverless.resource_count_is("AWS::ApplicationAutoScaling::ScalableTarget", 0)


def test_serverless_is_watched_all_the_same(serverless: Template) -> None:
    assert {"Errors", "Latency", "FailedAnswers", "Degraded"} <= set(alarms(serverless))


@pytest.mark.parametrize("shadow", [ShadowConfig(), None])
def test_a_shadow_without_a_parameter_and_the_reverse_are_refused(
    stack: cdk.Stack, key: kms.IKey, bucket: s3.IBucket, shadow: ShadowConfig | None
) -> None:
    with pytest.raises(ValueError, match=r"^challenger must be given with config.shadow"):
        SelfDeployingEndpoint(
            stack,
            "Endpoint",
            endpoint_name="fraudloop-test-fraud",
            approved_package="none",
            challenger=None if shadow else "none",
            environment={},
            metric_namespace="fraudloop/test",
            image=ContainerImage(
                stack, "Image", encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY
            ),
            artifacts_bucket=bucket,
            captures_bucket=bucket,
            encryption_key=key,
            topic=AlarmTopic(stack, "Topic", encryption_key=key),
            config=EndpointConfig(shadow=shadow),
        )
