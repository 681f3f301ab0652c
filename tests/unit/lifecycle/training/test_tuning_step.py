"""A tuning step in place of training."""

from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from .conftest import filled_in, inputs


def test_tuning_takes_the_place_of_training(tuned: dict[str, Any]) -> None:
    assert list(tuned) == [
        "CheckData",
        "ComputeFeatures",
        "TuneModel",
        "Baseline",
        "EvaluateModel",
        "Gate",
        "RegisterModel",
        "RefuseModel",
    ]
    assert tuned["TuneModel"]["Type"] == "Tuning"
    assert tuned["TuneModel"]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}


def test_the_tuning_request_is_one_that_the_service_accepts(tuned: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
    request = filled_in(tuned["TuneModel"]["Arguments"])
    request["HyperParameterTuningJobName"] = "named-by-the-pipeline"
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    definition = tuned["TuneModel"]["Arguments"]["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"validation_days": "2"}


def test_the_best_tuned_model_is_evaluated_and_registered(tuned: dict[str, Any]) -> None:
    # As the job says it: that of a cached step is in the folder of an earlier execution.
    folder = {"Get": "Steps.TuneModel.TrainingJobDefinition.OutputDataConfig.S3OutputPath"}
    best = {"Get": "Steps.TuneModel.BestTrainingJob.TrainingJobName"}
    archive = {"Std:Join": {"On": "/", "Values": [folder, best, "output/model.tar.gz"]}}
    (container,) = tuned["RegisterModel"]["Arguments"]["InferenceSpecification"]["Containers"]
    assert inputs(tuned["EvaluateModel"])["model"] == archive
    assert container["ModelDataUrl"] == archive
