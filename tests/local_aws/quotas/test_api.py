"""The Service Quotas API, by boto3."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_aws.errors import QuotasError
from local_aws.quotas import table
from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.quotas.conftest import QUOTAS, refused

ENDPOINTS = ("sagemaker", "L-2F737F8D")  # ml.m5.xlarge for endpoint usage


@pytest.fixture
def quotas(raised: EmbeddedAws) -> Any:
    return raised.session().client("service-quotas")


def get(quotas: Any, service: str, code: str) -> dict[str, Any]:
    return dict(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"])


def test_a_value_that_was_given_outlives_a_restart(quotas: Any) -> None:
    assert get(quotas, *ENDPOINTS)["Value"] == 3
    assert get(quotas, "sagemaker", "L-CCE2AFA6")["Value"] == 0
    # An established account's, where nothing else was said.
    assert get(quotas, "sagemaker", "L-0307F515")["Value"] == 16


def test_a_quota_and_its_default_are_described_as_aws_does(quotas: Any) -> None:
    found = get(quotas, *ENDPOINTS)
    assert found == {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": "arn:aws:servicequotas:us-east-1:000000000000:sagemaker/L-2F737F8D",
        "QuotaCode": "L-2F737F8D",
        "QuotaName": "ml.m5.xlarge for endpoint usage",
        "Value": 3.0,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }
    default = quotas.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode="L-2F737F8D")[
        "Quota"
    ]
    assert (default["Value"], default["QuotaArn"]) == (
        0,
        "arn:aws:servicequotas:us-east-1::sagemaker/L-2F737F8D",
    )


def test_lists_have_pages(quotas: Any) -> None:
    known = [each for each in table.quotas() if each.service == "sagemaker" and each.code]
    for name in ("list_service_quotas", "list_aws_default_service_quotas"):
        pages = list(
            quotas.get_paginator(name).paginate(
                ServiceCode="sagemaker", PaginationConfig={"PageSize": 70}
            )
        )
        codes = [each["QuotaCode"] for page in pages for each in page["Quotas"]]
        assert [len(page["Quotas"]) for page in pages[:-1]] == [70] * (len(pages) - 1)
        assert codes == [each.code for each in known]
    one = quotas.list_service_quotas(ServiceCode="sagemaker", QuotaCode="L-2F737F8D")["Quotas"]
    assert [each["QuotaName"] for each in one] == ["ml.m5.xlarge for endpoint usage"]
    services = {s["ServiceCode"] for s in quotas.list_services()["Services"]}
    assert services == {*table.services()}


def test_what_was_never_raised_has_a_default_alone(quotas: Any) -> None:
    sent = {"ServiceCode": "events", "QuotaCode": "L-5540C5E3"}
    assert refused(quotas.get_service_quota, **sent)[0] == "NoSuchResourceException"
    default = quotas.get_aws_default_service_quota(**sent)["Quota"]
    assert (default["Value"], default["Period"]["PeriodUnit"]) == (18_750, "SECOND")
    listed = quotas.list_service_quotas(ServiceCode="events")["Quotas"]
    assert {each["QuotaName"]: each["Value"] for each in listed} == {
        "Number of rules": 400,
        "PutEvents throttle limit in transactions per second": 0.001,
    }


def test_what_there_is_not_is_refused(quotas: Any) -> None:
    get, listed = quotas.get_service_quota, quotas.list_service_quotas
    missing = "NoSuchResourceException"
    words = "The request failed because the specified service does not exist."
    assert refused(get, ServiceCode="nothing", QuotaCode="L-2F737F8D") == (missing, words)
    assert refused(listed, ServiceCode="EC2") == (missing, words)
    assert refused(get, ServiceCode="sagemaker", QuotaCode="L-00000000")[0] == missing
    assert refused(get, ServiceCode="lambda", QuotaCode="L-2F737F8D")[0] == missing
    assert refused(get, ServiceCode="sagemaker", QuotaCode="L-2F737F8D", ContextId="arn:a")[0] == (
        missing
    )
    assert refused(listed, ServiceCode="sagemaker", NextToken="bm9uZQ==")[0] == (
        "InvalidPaginationTokenException"
    )
    assert refused(get, ServiceCode="1", QuotaCode="L-2F737F8D")[0] == "IllegalArgumentException"
    request = {"ServiceCode": "sagemaker", "QuotaCode": "L-2F737F8D", "DesiredValue": 9}
    code, words = refused(quotas.request_service_quota_increase, **request)
    assert code == "UnknownOperationException"
    assert "not supported by the embedded AWS" in words


def test_iam_is_asked(somebody: Callable[..., Any]) -> None:
    allowed = "arn:aws:servicequotas:us-east-1:000000000000:sagemaker/L-2F737F8D"
    quotas = somebody(("servicequotas:GetServiceQuota", allowed))("service-quotas")
    assert get(quotas, *ENDPOINTS)["Value"] == 16  # of the tests' common embedded AWS
    for call, parameters in (
        (quotas.get_service_quota, {"ServiceCode": "sagemaker", "QuotaCode": "L-0307F515"}),
        (quotas.list_services, {}),
    ):
        assert refused(call, **parameters)[0] == "AccessDeniedException"


def test_a_running_embedded_aws_keeps_its_quotas(raised: EmbeddedAws, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('account = "new"')
    again = EmbeddedAws(raised.state_dir, raised.port, quotas=other)
    with pytest.raises(QuotasError, match="stop it first with `fraudloop down`"):
        again.start()
    other.write_text(QUOTAS)
    assert again.start() is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sagemaker]\nL-2F737F8D = -1", "'L-2F737F8D' of sagemaker must be a number from 0"),
        ("[sagemaker]\nL-2F737F8D = true", "must be a number from 0 to 10000000000, got True"),
        ("[sagemaker]\nL-2F737F8D = nan", "got nan"),
        ("[sagemaker]\n'ml.m5.xlarge for endpoint use' = 1", "did you mean 'ml.m5.xlarge for end"),
        ("[lambda]\nL-2F737F8D = 1", "lambda has no quota 'L-2F737F8D'"),
        ("[ec2]\nL-2F737F8D = 1", "must be one of codebuild, events, .* got 'ec2'"),
        ("sagemaker = 1", "got 'sagemaker'"),
        ("account = 'old'", "account must be established or new, got 'old'"),
        ("no toml", "must be a TOML or JSON file"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_starts(
    tmp_path: Path, text: str, said: str
) -> None:
    given = tmp_path / "quotas.toml"
    given.write_text(text)
    with pytest.raises(QuotasError, match=said):
        EmbeddedAws(tmp_path / "state", free_port(), quotas=given).start()
    assert not (tmp_path / "state").exists()
    with pytest.raises(QuotasError, match="No such file"):
        EmbeddedAws(tmp_path / "state", free_port(), quotas=tmp_path / "none.toml").start()
