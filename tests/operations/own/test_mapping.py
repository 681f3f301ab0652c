"""What a mapping may say, and what the document says of it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from operations.cli.parts.own_data import mapping_options, with_mapping
from operations.data.own.conversion import read_own
from operations.data.own.identifiers import Identifiers
from operations.data.own.mapping import Amounts, FileMapping
from operations.data.own.settings import read_mapping
from operations.target import PROJECT_ROOT
from pipeline_code.common.exits import BadInput

from .stores import Store

PAGE = (PROJECT_ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")


def test_options_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        'hash = "customer_id"\n[columns]\namount = "a"\ncustomer_id = "c"\n[time]\nzone = "UTC"\n'
    )
    mapping = read_mapping(
        tmp_path / "m.toml",
        columns=["x=y=customer_id", "day+time=event_time"],
        time_zone="Asia/Tokyo",
        settings=["time.format=seconds", "amount.currency=USD", "amount.minor=true"],
    )
    assert mapping.columns == {
        "amount": ("a",),
        "customer_id": ("x=y",),
        "event_time": ("day", "time"),
    }
    assert mapping.hash == ("customer_id",)
    assert (mapping.time.zone, mapping.time.format) == ("Asia/Tokyo", ("seconds",))
    assert (mapping.amount.currency, mapping.amount.minor) == ("USD", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[columns]\ncard_no = 'customer_id'", ["columns must name transaction_id", "got card_no"]),
        ("[columns]\namount = []", ["columns.amount"]),
        ("colour = 1", ["colour is none of the settings"]),
        (
            "[time]\nzone = 'Mars'\nformat = ['hours', 'x']",
            ["Europe/Berlin, got 'Mars'", "'hours'"],
        ),
        ("[time]\nformat = 'hours since noon'", ["time.format", "noon"]),
        (
            "hash = 'amount'",
            ["hash must name transaction_id,", "got amount"],
        ),
        ("[amount]\nnegative = 'drop'\nround = 'perhaps'", ["'leave out'", "amount.round"]),
        ("columns = 1", ["must have a table of columns"]),
        ("[[", ["must be a file in TOML or JSON"]),
    ],
)
def test_what_is_no_mapping_is_told_as_a_whole(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(BadInput) as refusal:
        read_mapping(tmp_path / "m.toml")
    for word in ["m.toml", *words]:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["card_no"]}, "--map must be the file's column=the lake's"),
        ({"columns": ["customer_id=card_no"]}, "got 'customer_id=card_no'"),
        ({"columns": ["a=amount", "b=amount"]}, r"join columns with a plus: a\+b=amount"),
        ({"settings": ["amount"]}, "--set must be a setting=value"),
        ({"settings": ["hash=customer_id", "hash.x=1"]}, "hash has none below it"),
        ({"time_zone": "Mars"}, "must be a time zone such as Europe/Berlin"),
    ],
)
def test_options_that_are_none_are_told(options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_mapping(**options)  # type: ignore[arg-type]


def settings_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        found += settings_of(kind, f"{name}.") if nested else [f"{prefix}{name}"]  # type: ignore[arg-type]
    return found


def test_the_document_has_every_setting_and_no_other() -> None:
    table = PAGE.partition("## A mapping")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    found = re.findall("`([^`]+)`", " ".join(cells))
    assert sorted(found) == sorted(settings_of(FileMapping))


# Of each generator its columns, and two rows that are made up here.
GENERATORS = {
    "Sparkov": (
        ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,street,city,state,"
        "zip,lat,long,city_pop,job,dob,trans_num,unix_time,merch_lat,merch_long,is_fraud\n"
        '0,2019-07-01 08:00:00,4000000000000001,"fraud_Ash, Elm",misc,4.97,A,B,F,1 Road,C,D,12345,'
        "1.5,-2.5,99,Baker,1980-01-31,0f0f,1372665600,1.6,-2.6,0\n"
        "1,2019-07-01 08:00:01,4000000000000002,fraud_Oak,misc,107.23,A,B,F,1 Road,C,D,12345,"
        "1.5,-2.5,99,Baker,1980-01-31,0f10,1372665601,1.6,-2.6,1\n"
    ),
    "PaySim": (
        "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,"
        "newbalanceDest,isFraud,isFlaggedFraud\n"
        "4380,PAYMENT,4.97,C1,10.0,5.03,M1,0.0,0.0,0,0\n"
        "4380,TRANSFER,107.23,C2,107.23,0.0,C3,0.0,0.0,1,0\n"
    ),
    "IBM TabFormer": (
        "User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Merchant State,"
        "Zip,MCC,Errors?,Is Fraud?\n"
        "0,0,2019,7,1,12:00,$4.97,Swipe Transaction,123456789012345678,Ash,CA,1.0,5300,,No\n"
        "0,0,2019,7,1,12:01,$-99.00,Swipe Transaction,123456789012345678,Ash,CA,1.0,5300,,No\n"
        "0,1,2019,7,1,12:00,$107.23,Online Transaction,-987654321098765432,ONLINE,,,5300,,Yes\n"
    ),
    "The generator of the [handbook]": (
        "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,"
        "TX_FRAUD,TX_FRAUD_SCENARIO\n"
        "0,2019-07-01 12:00:00,596,3156,4.97,31,0,0,0\n"
        "1,2019-07-01 12:00:01,4961,3412,107.23,130,0,1,1\n"
    ),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_the_documents_mappings_take_the_generators_files(tmp_path: Path, name: str) -> None:
    section = PAGE.partition("## Public generators")[2].partition(f"\n{name}")[2]
    (tmp_path / "m.toml").write_text(section.partition("```toml\n")[2].partition("```")[0])
    (tmp_path / "f.csv").write_text(GENERATORS[name])
    mapping = read_mapping(tmp_path / "m.toml")
    own = read_own(tmp_path / "f.csv", mapping, Identifiers(Store()))
    assert own.examination.findings.counts == {}
    landing = own.examination.landing
    assert landing.transactions["amount_minor"].to_pylist() == [497, 10723]
    times = landing.transactions["event_time"].to_pylist()
    day = (
        datetime(2024, 7, 1, 12, tzinfo=UTC)
        if name == "PaySim"
        else datetime(2019, 7, 1, 12, tzinfo=UTC)
    )
    assert times[0] == day
    assert landing.fraud_reports["transaction_id"].to_pylist() == [
        landing.transactions["transaction_id"][1].as_py()
    ]
    assert len(set(landing.transactions["customer_id"].to_pylist())) == 2
    assert own.left_out == (name == "IBM TabFormer")


def test_a_verbs_options_become_its_mapping_and_are_said_again(tmp_path: Path) -> None:
    @with_mapping
    def verb(mapping: FileMapping | None = None) -> FileMapping | None:
        return mapping

    assert verb() is None
    assert mapping_options.get() == ()
    (tmp_path / "m.toml").write_text("[amount]\nminor = true\n")
    made = verb(mapping=tmp_path / "m.toml", map_=["Is Fraud?=is_fraud"], set_=["hash=customer_id"])
    assert made == FileMapping(
        columns={"is_fraud": ("Is Fraud?",)}, hash=("customer_id",), amount=Amounts(minor=True)
    )
    again = ["--mapping", str(tmp_path / "m.toml"), "--map", "Is Fraud?=is_fraud"]
    assert mapping_options.get() == (*again, "--set", "hash=customer_id")
