"""The ways to log in, and how little is logged while a server is away."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from typing import TYPE_CHECKING

import aiohttp
import nats
import nkeys
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.nats.conftest import until
from tests.support.nats import NatsServer
from worker.outbound.nats_connection import ConnectionOptions, NatsConnection, dial
from worker.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


async def reaches(server: NatsServer, **environment: str) -> bool:
    client = await NatsConnection(settings(**({"NATS_URL": server.url} | environment))).connect()
    try:
        return bool(await client.rtt(2))
    finally:
        await client.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def test_a_token() -> None:
    async with NatsServer(config={"authorization": {"token": "t0ken"}}) as server:
        assert await reaches(server, NATS_TOKEN="t0ken")


async def test_an_nkey(tmp_path: Path) -> None:
    seed = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
    public = nkeys.from_seed(bytearray(seed.encode())).public_key.decode()
    file = tmp_path / "seed.nk"
    file.write_text(seed)
    async with NatsServer(config={"authorization": {"users": [{"nkey": public}]}}) as server:
        assert await reaches(server, NATS_NKEY_SEED_FILE=str(file))


async def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    tls = {"cert_file": str(cert), "key_file": str(key), "ca_file": str(cert), "verify": True}
    async with NatsServer(config={"tls": tls}) as server:
        url = server.url.replace("nats://", "tls://")
        files = {"NATS_TLS_CA_FILE": str(cert), "NATS_TLS_CERT_FILE": str(cert), "NATS_TLS_KEY_FILE": str(key)}
        assert await reaches(server, NATS_URL=url, **files)


async def test_nothing_is_told_to_a_server_without_tls_if_tls_is_asked_for(tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    async with NatsServer(config={"authorization": {"token": "t0ken"}}) as server:
        url = server.url.replace("nats://", "tls://")
        for asked in ({"NATS_URL": url}, {"NATS_URL": server.url, "NATS_TLS_CA_FILE": str(cert)}):
            keywords = NatsConnection(settings(NATS_TOKEN="t0ken", **asked)).keywords()
            with pytest.raises(nats.errors.Error, match="the server offers none"):
                await dial(**keywords | {"max_reconnect_attempts": 1, "allow_reconnect": False})


async def test_tls_is_used_where_the_server_leaves_the_choice(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    tls = {"cert_file": str(cert), "key_file": str(key)}
    async with NatsServer(config={"tls": tls, "allow_non_tls": True}) as server:
        client = await NatsConnection(settings(NATS_URL=server.url, NATS_TLS_CA_FILE=str(cert))).connect()
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{server.monitor_url}/connz") as answer:
                (connection,) = (await answer.json())["connections"]
            assert connection["tls_version"]
        finally:
            await client.close()


async def test_the_second_server_of_the_list_is_used_when_the_first_is_away(nats_server: NatsServer) -> None:
    assert await reaches(nats_server, NATS_URL=f"nats://127.0.0.1:1,{nats_server.url}")


async def test_a_server_that_is_away_costs_a_few_lines_and_next_to_no_cpu(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    connection = NatsConnection(settings(NATS_URL=nats_server.url), ConnectionOptions(reconnect_wait=0.05))
    client = await connection.connect()
    keeper = asyncio.create_task(connection.keep(client))
    assert connection.trouble == ""
    nats_server.kill()
    await until(lambda: connection.trouble)
    caplog.clear()
    start, cpu = time.monotonic(), time.process_time()
    with caplog.at_level(logging.INFO):
        await asyncio.sleep(3.0)
    elapsed = time.monotonic() - start
    lines = [record for record in caplog.records if record.name.startswith("worker.")]
    assert len(lines) <= elapsed + 1
    assert (time.process_time() - cpu) / elapsed < 0.10
    caplog.clear()
    with caplog.at_level(logging.INFO):
        await nats_server.start()
        await until(lambda: client.is_connected)
        await until(lambda: not connection.trouble)
    assert [record.message for record in caplog.records if record.levelname == "INFO"] == ["connected to NATS"]
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    await client.close()


async def test_trouble_never_shows_credentials() -> None:
    async with NatsServer(config={"authorization": {"token": "right"}}) as server:
        url = server.url.replace("nats://", "nats://hunter2@")
        connection = NatsConnection(settings(NATS_URL=url))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.connect(), 1.0)
        assert connection.trouble
        assert "hunter2" not in connection.trouble


async def test_the_client_object_survives_a_close_with_what_was_built_on_it(nats_server: NatsServer) -> None:
    connection = NatsConnection(settings(NATS_URL=nats_server.url))
    client = await connection.connect()
    keeper = asyncio.create_task(connection.keep(client))
    js = client.jetstream()
    await js.add_stream(name="S", subjects=["s"])
    epoch = client.stats["reconnects"]
    await client.close()
    await until(lambda: client.is_connected)
    assert (await js.publish("s", b"x")).seq == 1
    assert client.stats["reconnects"] == epoch + 1
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    await client.close()
    assert isinstance(client, nats.NATS)
