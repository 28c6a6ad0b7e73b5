"""The command line as a whole: its list, its start, its errors and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from contracts.violations import ContractViolation
from tests.unit.cli.conftest import Call
from worker.cli.app import COMMANDS, cli
from worker.cli.exits import MEANINGS, Exit, translate
from worker.errors import Deferred, LostRace, Misconfigured, NewerRecord, Rejected, Unavailable, WorkerError
from worker.settings import SettingsError

HEAVY = ("aiohttp", "faststream", "hera", "kubernetes", "nats", "opentelemetry", "prometheus_client")


def loaded_by(*arguments: str) -> set[str]:
    """Return the top-level packages that a process has loaded after it ran the command line."""
    code = (
        "import json, sys\n"
        "from worker.cli.app import cli\n"
        f"cli({list(arguments)!r}, standalone_mode=False)\n"
        "sys.stderr.write(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def commands() -> list[tuple[str, click.Command]]:
    context = click.Context(cli)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", one) for sub, one in command.commands.items()]
    return found


def test_help_lists_every_command_and_starts_at_once() -> None:
    """0.3 s is the promise; CPU time is what a machine that is busy with other suites does not stretch."""
    before = os.times()
    done = subprocess.run([sys.executable, "-m", "worker", "--help"], capture_output=True, text=True, check=True)
    after = os.times()
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    assert 0 < spent < 0.3


def test_help_loads_no_library_but_click() -> None:
    assert not loaded_by("--help") & {*HEAVY, "rich", "pydantic", "yaml"}


def test_plan_loads_neither_clients_nor_builders() -> None:
    loaded = loaded_by("plan", "worker/dev/scenario/reference.yaml", "--output", "json")
    assert "pydantic" in loaded
    assert not loaded & {*HEAVY, "rich"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.help or "").split("\n")[0] == COMMANDS[name][1]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_is_described(name: str, command: click.Command) -> None:
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_answers_help(name: str, command: click.Command, call: Call) -> None:
    done = call(*name.split(), "--help")
    assert done.exit_code == 0
    assert "Usage: platform-worker" in done.stdout
    assert (command.name or "?") in done.stdout


def test_an_unknown_command_is_guessed(call: Call) -> None:
    done = call("pubish")
    assert done.exit_code == Exit.INVALID
    assert "did you mean 'publish'?" in done.stderr


def test_version(call: Call) -> None:
    done = call("--version")
    assert done.exit_code == 0
    assert done.stdout.startswith("platform-worker ")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ContractViolation("wrong-type", "$.a", "a is 1", "write text"), Exit.INVALID, "a is 1 (at $.a); write text"),
        (Rejected("x", "too long", path="$.b", fix="cut it"), Exit.INVALID, "too long (at $.b); cut it"),
        (SettingsError("NATS_URL: no address"), Exit.INVALID, "NATS_URL: no address"),
        (Unavailable("nats", "gone"), Exit.UNAVAILABLE, "nats: gone"),
        (Misconfigured("nats", "no stream", fix="apply it"), Exit.UNAVAILABLE, "nats: no stream; apply it"),
        (NewerRecord("app.a.b", 2, 1), Exit.UNAVAILABLE, "finish the upgrade"),
        (Deferred("quota", "no quota"), Exit.FAILED, "no quota; try again"),
        (LostRace("record a/b"), Exit.FAILED, "another worker"),
        (WorkerError("something"), Exit.FAILED, "something"),
    ],
)
def test_each_error_is_a_sentence_and_a_code(error: Exception, code: Exit, says: str) -> None:
    told = translate(error)
    assert told is not None
    assert told.exit_code == code
    assert says in told.format_message()


def test_other_errors_are_not_translated() -> None:
    assert translate(KeyError("x")) is None


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Exit)


def test_settings_that_do_not_fit_are_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "http://x")
    done = call("status")
    assert done.exit_code == Exit.INVALID
    assert done.stderr.startswith("error: NATS_URL: unknown scheme")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_no_color_is_honoured(variable: str, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("NO_COLOR", variable)
    done = CliRunner().invoke(cli, ["status"], color=True)
    assert "error: " in click.unstyle(done.stderr)
    assert ("\x1b" in done.stderr) is coloured


def test_a_traceback_only_on_request(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "http://x")
    assert "Traceback" in call("--debug", "status").stderr


def test_nobody_listening_is_unavailable(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://somebody:hidden@127.0.0.1:1")
    done = call("status")
    assert done.exit_code == Exit.UNAVAILABLE
    assert "nats://127.0.0.1:1" in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(call: Call, shell: str) -> None:
    done = call("completion", shell)
    assert done.exit_code == 0
    assert "_PLATFORM_WORKER_COMPLETE" in done.stdout


def test_completion_completes_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={"_PLATFORM_WORKER_COMPLETE": "bash_complete", "COMP_WORDS": "platform-worker pl", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,plan"]


def test_schema_export_lists_prints_and_writes(call: Call, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = call("schema", "export", "--list").stdout.split()
    assert "asyncapi" in names
    event = "io.platform.provisioning.requested.v1"
    assert json.loads(call("schema", "export", event).stdout)["$schema"].endswith("2020-12/schema")
    assert call("schema", "export", "asyncapi").stdout.splitlines()[1].startswith("asyncapi: 3.")
    folder = tmp_path_factory.mktemp("out")
    assert call("schema", "export", "--to", str(folder)).exit_code == 0
    assert len([path for path in folder.rglob("*") if path.is_file()]) == len(names)


def test_schema_export_guesses_and_refuses(call: Call) -> None:
    done = call("schema", "export", "postgressql")
    assert done.exit_code == Exit.NOT_FOUND
    assert "did you mean postgresql?" in done.stderr
    assert call("schema", "export").exit_code == Exit.INVALID
