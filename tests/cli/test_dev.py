"""`dev`, and every command against its worker: one installation, used as a person would use it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml
from click.testing import CliRunner, Result

from worker.cli.app import cli
from worker.cli.exits import Exit

pytestmark = pytest.mark.xdist_group("dev")

SCENARIO = Path("worker/dev/scenario")
Command = Callable[..., Result]


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[dict[str, str]]:
    """Start `dev`, yield the addresses that it prints, and end it as Ctrl-C does."""
    command = [sys.executable, "-m", "worker", "dev", "--no-logs", "--output", "json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            break
    assert lines, process.stderr and process.stderr.read()
    found: dict[str, str] = json.loads("".join(lines))
    try:
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert "stopping" in told
    assert not Path(found["log"]).parent.exists(), "dev leaves nothing behind"


@pytest.fixture(scope="module")
def dev() -> Iterator[dict[str, str]]:
    with started("--claim-seconds", "1.5") as found:
        yield found


@pytest.fixture
def command(dev: dict[str, str]) -> Command:
    """Call a command in this process: starting one for each would take most of the time."""

    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, list(arguments), env=variables(dev))
        assert done.exit_code == code, done.output
        return done

    return run


def variables(dev: dict[str, str]) -> dict[str, str]:
    return {"NATS_URL": dev["nats"], "KUBECONFIG": dev["kubeconfig"]}


def write(folder: Path, name: str, size: str = "small") -> str:
    document = yaml.safe_load((SCENARIO / "reference.yaml").read_text())
    document["metadata"] = {"name": name}
    document["spec"]["components"][1]["properties"]["size"] = size
    path = folder / f"{name}-{size}.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def states(command: Command, name: str) -> dict[str, str]:
    found: Any = json.loads(command("status", name, "-o", "json").stdout)
    return {component["name"]: component["state"] for component in found["components"]}


def test_the_worker_is_ready(dev: dict[str, str]) -> None:
    with urllib.request.urlopen(f"{dev['http']}/ready") as answer:
        assert answer.status == 200


def test_from_publish_to_delete(command: Command, dev: dict[str, str], tmp_path: Path) -> None:
    arguments = ["publish", write(tmp_path, "life"), "--watch", "--timeout", "30", "-o", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env={**os.environ, **variables(dev)},
        capture_output=True,
        text=True,
        check=True,
    )
    [sent] = json.loads(done.stdout)
    assert sent["outcome"] == "succeeded"
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["accepted", "running", "succeeded"]
    assert set(states(command, "life").values()) == {"applied"}
    told = json.loads(command("explain", sent["id"], "-o", "json").stdout)
    assert [one["type"].split(".")[3] for one in told["statuses"]] == ["accepted", "running", "succeeded"]

    plan = json.loads(command("plan", write(tmp_path, "life", "medium"), "--live", "-o", "json").stdout)
    assert [(task["component"], task["action"]) for task in plan["tasks"]] == [("user-cache", "change")]
    assert set(plan["unchanged"]) == {"user-db", "streaming", "user-service"}

    gone = command("delete", "life", "--watch", "--timeout", "30", "-o", "json")
    assert json.loads(gone.stdout)[0]["outcome"] == "deleted"
    assert states(command, "life") == {"user-db": "retained", "user-cache": "retained", "streaming": "retained"}
    assert "retained: " in command("delete", "life", code=Exit.NOT_FOUND).stderr


def test_stop_and_retry(command: Command, dev: dict[str, str], tmp_path: Path) -> None:
    command("publish", write(tmp_path, "halted"))
    stopped = _stop_as_soon_as_it_runs(dev, "halted")
    assert stopped["stopped"].startswith("halted-")
    _wait_for_its_end(dev, "halted")
    done = command("retry", "halted", "--watch", "--timeout", "30", "-o", "json")
    assert json.loads(done.stdout)[0]["outcome"] == "succeeded"
    assert set(states(command, "halted").values()) == {"applied"}
    command("stop", "halted", code=Exit.NOT_FOUND)


def test_a_rejected_event_is_explained_and_can_be_replayed(command: Command) -> None:
    done = command("publish", str(SCENARIO / "wrong-size.yaml"), "--watch", "-o", "json", code=Exit.FAILED)
    [sent] = json.loads(done.stdout)
    assert sent["outcome"] == "rejected"
    told = json.loads(command("explain", sent["id"], "-o", "json").stdout)
    [letter] = told["deadLetters"]
    assert letter["path"].endswith("properties.size")
    shown = json.loads(command("dlq", "show", str(letter["sequence"]), "-o", "json").stdout)
    assert json.loads(shown["body"])["id"] == sent["id"]
    [replayed] = json.loads(command("dlq", "replay", str(letter["sequence"]), "-o", "json").stdout)
    assert replayed["outcome"] == "replayed"


def test_a_lost_bucket_is_rebuilt(command: Command, dev: dict[str, str], tmp_path: Path) -> None:
    command("publish", write(tmp_path, "kept"), "--watch", "--timeout", "30")

    async def lose() -> None:
        client = await nats.connect(dev["nats"])
        await client.jetstream().delete_stream("KV_platform-state")
        await client.close()

    asyncio.run(lose())
    command("streams", "apply")
    assert json.loads(command("state", "show", "-o", "json").stdout)["incarnation"] is None
    command("status", "kept", code=Exit.NOT_FOUND)
    found = json.loads(command("state", "rebuild", "-o", "json").stdout)
    assert "default/kept" in found["written"]
    assert json.loads(command("state", "show", "-o", "json").stdout)["incarnation"]
    assert set(states(command, "kept")) == {"user-db", "user-cache", "streaming", "user-service"}


def test_a_given_cluster_is_used(tmp_path: Path) -> None:
    """Its Kubernetes side comes from outside: here an embedded API in a process of its own, without any Argo."""
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "worker.dev.kubernetes", "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            api = json.loads(process.stdout.readline())

            def ask(method: str, path: str, body: object = None) -> Any:
                request = urllib.request.Request(
                    f"{api['url']}{path}",
                    method=method,
                    data=json.dumps(body).encode() if body else None,
                    headers={"Authorization": f"Bearer {api['token']}", "Content-Type": "application/json"},
                )
                with urllib.request.urlopen(request) as answer:
                    return json.loads(answer.read())

            ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo"}})
            with started("--kubeconfig", str(kubeconfig)) as found:
                assert found["kubeconfig"] == str(kubeconfig)
                environment = {"NATS_URL": found["nats"]}
                arguments = ["publish", write(tmp_path, "elsewhere"), "--id", "elsewhere-1"]
                assert CliRunner().invoke(cli, arguments, env=environment).exit_code == 0
                deadline = time.monotonic() + 60
                told = CliRunner().invoke(cli, ["explain", "elsewhere-1", "-o", "json"], env=environment)
                while told.exit_code == Exit.NOT_FOUND and time.monotonic() < deadline:
                    time.sleep(0.1)
                    told = CliRunner().invoke(cli, ["explain", "elsewhere-1", "-o", "json"], env=environment)
                assert [one["type"].split(".")[3] for one in json.loads(told.stdout)["statuses"]] == ["accepted"]
                [workflow] = ask("GET", "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows")["items"]
                assert workflow["metadata"]["name"].startswith("elsewhere-")
                assert "suspend" not in workflow["spec"]
        finally:
            process.terminate()


def _stop_as_soon_as_it_runs(dev: dict[str, str], name: str) -> dict[str, str]:
    """Call `stop` until there is a run that it meets."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done = CliRunner().invoke(cli, ["stop", name, "-o", "json"], env=variables(dev))
        if done.exit_code == 0:
            found: dict[str, str] = json.loads(done.stdout)
            return found
        assert done.exit_code == Exit.NOT_FOUND, done.output
    raise AssertionError(f"{name} did not start")


def _wait_for_its_end(dev: dict[str, str], name: str) -> None:
    """Wait until the record knows that the run has ended: before that, a retry finds it being carried out."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done = CliRunner().invoke(cli, ["status", name, "-o", "json"], env=variables(dev))
        if json.loads(done.stdout)["run"]["phase"] in {"failed", "superseded", "succeeded"}:
            return
    raise AssertionError(f"{name} did not end")
