"""The command's own behaviour: options, help, and how expected failures end."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.cli.parts.place import same_place
from operations.cli.parts.verbs import plain
from operations.target import PROJECT_ROOT

runner = CliRunner()


def groups(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every list of verbs: the words that lead to it, and its verbs by name."""
    if verbs := getattr(command, "commands", None):
        yield path, verbs
        for name, each in verbs.items():
            yield from groups(each, *path, name)


GROUPS = dict(groups(typer.main.get_command(app)))
VERBS = [
    (*path, name) for path, verbs in GROUPS.items() for name in verbs if (*path, name) not in GROUPS
]


ON_TARGET = [
    (*path, name)
    for path, verbs in GROUPS.items()
    for name, verb in verbs.items()
    if "profile" in {each.name for each in getattr(verb, "params", ())}
]


def command(verb: tuple[str, ...], folder: Path) -> list[str]:
    """A verb with what it cannot do without: files that are there, and words."""
    (file := folder / "some.csv").touch()
    (found,) = (each for name, each in GROUPS[verb[:-1]].items() if name == verb[-1])
    required = [each for each in found.params if each.required]
    options = [each.opts[-1] for each in required if each.param_type_name == "option"]
    # A file may be given wherever a word may. Parity has a place only if it is asked for.
    return [
        *verb,
        *(["--through-stack"] if verb == ("parity",) else []),
        *(word for option in options for word in (option, str(file))),
        *(str(file) for each in required if each.param_type_name == "argument"),
    ]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself_with_an_example_and_speaks_json(verb: tuple[str, ...]) -> None:
    shown = runner.invoke(app, [*verb, "--help"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    assert "--json" in shown.output
    assert f"fraudloop {' '.join(verb)}" in shown.output.partition("\n  Example:\n    ")[2]


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_lists_of_verbs_say_what_each_does_in_whole_sentences(path: tuple[str, ...]) -> None:
    shown = " ".join(runner.invoke(app, [*path, "--help"], env={"COLUMNS": "80"}).output.split())
    for name, verb in GROUPS[path].items():
        sentence = " ".join(verb.help.partition("\n\n")[0].split())
        assert f" {name} {sentence}" in shown


@pytest.mark.parametrize(
    "verb", ["deploy", "ingest", "redrive", "train", "approve", "score", "status"]
)
def test_every_verb_that_needs_a_target_takes_its_place(verb: str) -> None:
    shown = runner.invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
    for option in ("--environment", "--profile", "--region", "--state"):
        assert option in shown.output


@pytest.mark.parametrize("verb", ON_TARGET, ids=" ".join)
def test_a_verb_without_a_running_embedded_aws_says_how_to_start_it(
    verb: tuple[str, ...], tmp_path: Path
) -> None:
    done = runner.invoke(app, [*command(verb, tmp_path), "--state", str(tmp_path / "none")])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "fraudloop up" in line


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
        ([], "region must be known, got none; give --region or set it in the profile"),
        (["--region", "eu_west"], "region_name 'eu_west' doesn't match a supported format"),
        (["--region", "eu-west-1"], "Unable to locate credentials"),
    ],
)
@pytest.mark.parametrize("verb", ON_TARGET, ids=" ".join)
def test_a_place_that_is_none_is_named_in_a_line(
    verb: tuple[str, ...],
    place: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = runner.invoke(app, [*command(verb, tmp_path), "--environment", "dev", *place])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("fraudloop: ")
    assert told in line


@pytest.mark.parametrize("verb", [["approve"], ["rollback"], ["reject"], ["shadow", "start"]])
def test_what_is_not_deployed_is_named_with_where_it_was_looked_for(
    verb: list[str], embedded_aws: EmbeddedAws
) -> None:
    done = runner.invoke(app, [*verb, "--state", str(embedded_aws.state_dir)])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "environment must be deployed, got no stack of 'local' in us-east-1; run" in line
    state = f"--state {embedded_aws.state_dir}"
    assert f"`fraudloop deploy {state}` first, or give the --profile and --region where" in line


def test_simulate_writes_the_lake_and_says_what(tmp_path: Path) -> None:
    out = tmp_path / "lake"
    done = runner.invoke(app, ["simulate", str(out), "--days", "2", "--json", "-"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["customers"] == 200
    assert result["files"] == len(list(out.rglob("*.parquet")))


def test_backtest_of_a_missing_file_names_it(tmp_path: Path) -> None:
    missing = tmp_path / "nothing.parquet"
    options = ["--data", str(missing), "--train-start", "2018-08-15"]
    done = runner.invoke(app, ["backtest", *options])
    assert done.exit_code == 1
    assert str(missing) in done.stderr.replace("\n", "")


def test_down_of_nothing_is_no_error(tmp_path: Path) -> None:
    done = runner.invoke(app, ["down", "--state", str(tmp_path / "none"), "--json", "-"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["stopped"] is False


def test_a_verb_ends_by_naming_the_next_one_beside_its_result(tmp_path: Path) -> None:
    done = runner.invoke(app, ["simulate", str(tmp_path), "--days", "1", "--json", "-"])
    assert json.loads(done.stdout)
    assert done.stderr.splitlines()[-1] == f"next: fraudloop ingest {tmp_path}"


def test_what_is_advised_has_the_place_of_the_run_unless_variables_say_it(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path)]
    given = runner.invoke(app, ["models", *state, "--embedded", "-e", "prod"])
    assert f"start it with `fraudloop up --state {tmp_path}`" in given.stderr
    stopped = runner.invoke(app, ["down", *state])
    assert stopped.stderr.splitlines() == [f"next: fraudloop up --state {tmp_path}"]
    variables = {"FRAUDLOOP_STATE": str(tmp_path), "FRAUDLOOP_ENVIRONMENT": "prod"}
    known = runner.invoke(app, ["models"], env={**variables, "FRAUDLOOP_EMBEDDED": "1"})
    assert f"of {tmp_path} does not run; start it with `fraudloop up`" in known.stderr


def test_every_option_of_the_place_is_in_the_next_command() -> None:
    given = {"environment": "dev", "profile": "mine", "region": "eu-west-1", "embedded": True}
    place = "--environment dev --profile mine --region eu-west-1 --embedded"
    assert same_place("fraudloop approve", given) == f"fraudloop approve {place}"
    assert same_place("fraudloop demo", given) == "fraudloop demo"


@pytest.mark.parametrize("where", [[], ["--embedded"]])
def test_an_environment_that_is_none_is_told_those_there_are(where: list[str]) -> None:
    done = runner.invoke(app, ["deploy", "-e", "staging", *where])
    assert done.exit_code == 1
    assert done.stderr == (
        "fraudloop: environment must be one of local, dev, prod, got staging; "
        "add its values to stacks/environments.py\n"
    )


@pytest.mark.parametrize("bad", ["", "file/result.json"])
def test_a_result_that_could_not_be_written_is_refused_at_once(bad: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "lake"
    done = runner.invoke(app, ["simulate", str(output), "--json", str(tmp_path / bad)])
    assert done.exit_code == 1
    assert f"--json must be a file that can be written, got {tmp_path / bad}" in done.stderr
    assert not output.exists()


def test_a_bug_is_a_line_and_its_traceback_a_file() -> None:
    buggy = typer.Typer()

    @buggy.command()
    @plain
    def verb() -> None:
        raise LookupError("of nothing")

    done = runner.invoke(buggy)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "a bug, and not a fault of yours: LookupError: of nothing; please report it" in line
    log = Path(next(word for word in line.split() if word.endswith(".log,")).rstrip(","))
    assert 'raise LookupError("of nothing")' in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    "words",
    [["ingest"], ["score"], ["demo", "--data"], ["parity", "--data"], ["backtest", "--data"]],
)
def test_a_file_that_is_not_there_is_refused_before_anything_starts(
    words: list[str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "none.csv")
    day = ["--train-start", "2025-01-01"] if words[0] == "backtest" else []
    done = runner.invoke(app, [*words, missing, *day])
    assert done.exit_code == 1
    assert done.stderr == f"fraudloop: file must exist, got {missing}\n"


def test_a_demo_that_cannot_be_played_leaves_everything_as_it_was(tmp_path: Path) -> None:
    state, data = tmp_path / "demo", tmp_path / "data.csv"
    data.write_text("card_no,merchant\n1,2\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        place = ["--state", str(state), "--port", str(port)]
        on_taken = runner.invoke(app, ["demo", *place])
    of_other = runner.invoke(app, ["demo", *place, "--data", str(data)])
    assert f"fraudloop: port must be free, got {port}" in on_taken.stderr
    assert "column event_time, customer_id, terminal_id, amount must be present" in of_other.stderr
    assert on_taken.stdout == of_other.stdout == ""
    assert not state.exists() or not any(state.iterdir())


def test_the_variables_lead_other_programs_to_the_embedded_aws(embedded_aws: EmbeddedAws) -> None:
    program = f"""
        eval "$({sys.executable} -m operations.cli env --state {embedded_aws.state_dir})"
        command -v cdk
        python -c "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
        fraudloop status
    """
    # Nothing of the user's own leads elsewhere.
    mine = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    environment = {**os.environ, **mine}
    done = subprocess.run(
        ["sh", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    cdk, account = done.stdout.splitlines()
    assert Path(cdk) == PROJECT_ROOT / "node_modules" / ".bin" / "cdk"
    assert account == embedded_aws.connection()["account"]
    assert "got no stack of 'local'" in done.stderr


@pytest.mark.parametrize("verb", ["status", "deploy", "doctor", "smoke"])
def test_who_is_signed_out_is_told_how_to_sign_in(verb: str, embedded_aws: EmbeddedAws) -> None:
    other = embedded_aws.environment() | {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    account = ["--account", "0" * 12] if verb == "smoke" else []
    done = runner.invoke(app, [verb, "--environment", "dev", *account], env=other)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "; sign in again, as with `aws sso login`, or give the --profile that is" in line


@pytest.mark.parametrize("verb", ["deploy", "doctor"])
def test_a_region_without_sagemaker_is_refused_at_once(
    verb: str, embedded_aws: EmbeddedAws
) -> None:
    place = ["--environment", "dev", "--region", "eu-nowhere-1"]
    done = runner.invoke(app, [verb, *place], env=embedded_aws.environment())
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "region must be one of SageMaker's, got eu-nowhere-1: " in line


def test_fish_is_spoken_too(embedded_aws: EmbeddedAws) -> None:
    place = ["--state", str(embedded_aws.state_dir)]
    shown = runner.invoke(app, ["env", *place, "--shell", "fish"]).stdout.splitlines()
    known = json.loads(runner.invoke(app, ["env", *place, "--json", "-"]).stdout)
    url = embedded_aws.connection()["endpoint_url"]
    assert f"set --global --export AWS_ENDPOINT_URL {url};" in shown
    assert "set --erase AWS_PROFILE;" in shown
    assert len(shown) == len(known["set"]) + len(known["unset"])
