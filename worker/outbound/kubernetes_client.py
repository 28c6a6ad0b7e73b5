"""One kept-alive session to the Kubernetes API, through ``kubernetes.aio``, at the price of plain aiohttp.

The generated methods of ``kubernetes.aio`` cost three times the CPU of the request itself, nearly all of it
avoidable: two thread hops per request for ``trust_env`` (proxy and netrc are looked up each time), and the copying of
bodies that are bytes already. Its configuration, credentials and transport stay; the proxy is looked up once and
bytes are sent as they are.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config

from worker.errors import Misconfigured
from worker.outbound.answers import SYSTEM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

#: Idle connections are closed before the API server does it (90 s), so that no request meets a closing one.
_KEEP_ALIVE = 60.0
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class KubernetesAccess:
    """How the API server is reached.

    Attributes:
        kubeconfig: Path of a kubeconfig file; ``""`` takes the Pod's ServiceAccount, else ``~/.kube/config``.
        context: Context of the kubeconfig; ``""`` is its current one.
        connect_timeout: Seconds to wait for a connection, from the pool or a new one.
        total_timeout: Seconds for a whole request.
        pool_size: Connections at most; at least the number of messages in flight.
    """

    kubeconfig: str = ""
    context: str = ""
    connect_timeout: float = 5.0
    total_timeout: float = 15.0
    pool_size: int = 64


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _BytesRestClient(RESTClientObject):
    """The library's transport, which leaves a body alone that is bytes already."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, keepalive_timeout=_KEEP_ALIVE)

    async def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _request_timeout: Any = None,
    ) -> RESTResponse:
        if post_params is not None or not (body is None or isinstance(body, bytes)):
            plain: RESTResponse = await super().request(  # type: ignore[no-untyped-call]
                method, url, headers, body, post_params, _request_timeout
            )
            return plain
        if self.pool_manager is None:
            self.pool_manager = self._create_pool_manager()
        tls_name = self.configuration.tls_server_name
        response = await self.pool_manager.request(
            method,
            url,
            data=body,
            headers=headers,
            timeout=_request_timeout,
            proxy=self.proxy,
            proxy_headers=self.proxy_headers,
            server_hostname=tls_name,
        )
        return RESTResponse(response)


class KubernetesClient:
    """Requests with prebuilt bodies; credentials are read again when the server does not accept them any more."""

    def __init__(self, access: KubernetesAccess, *, count: Callable[[str], None] = lambda _: None) -> None:
        """Prepare a client; nothing is read or connected before ``open`` or the first request.

        Args:
            access: How the API server is reached.
            count: Called with the verdict on each answer, by whoever judges it.
        """
        self.count = count
        self._access = access
        self._timeout = aiohttp.ClientTimeout(total=access.total_timeout, connect=access.connect_timeout)
        self._api: ApiClient | None = None
        self._retired: ApiClient | None = None
        self._loading = asyncio.Lock()

    async def open(self) -> Self:
        """Read the configuration.

        Raises:
            Misconfigured: The kubeconfig or the ServiceAccount's files cannot be read.
        """
        await self._loaded()
        return self

    async def close(self) -> None:
        """Close all connections; a later request opens them again."""
        clients, self._api, self._retired = (self._api, self._retired), None, None
        for client in clients:
            if client is not None:
                await client.close()  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def request(
        self, method: str, path: str, *, body: bytes | None = None, content_type: str = JSON, accept: str = ""
    ) -> Response:
        """Send one request and read the whole answer, whatever its status.

        A 401 was not carried out, so it is repeated once if reading the credentials again gave others.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, …
            path: Path with query, from ``/apis`` on.
            body: The body as it goes over the wire.
            content_type: Of the body.
            accept: Form of the answer; ``""`` is JSON.

        Raises:
            Misconfigured: The credentials cannot be read.
            aiohttp.ClientError, OSError, TimeoutError: There was no answer; ``answers.error_of_exception`` maps them.
        """
        api = self._api or await self._loaded()
        response = await self._send(api, method, path, body, content_type, accept)
        if response.status == HTTPStatus.UNAUTHORIZED and (fresh := await self._reloaded(api)) is not None:
            response = await self._send(fresh, method, path, body, content_type, accept)
        return response

    @asynccontextmanager
    async def stream(self, path: str, *, idle_timeout: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a long-lived GET, such as a watch; the caller reads ``response.content`` line by line.

        Args:
            path: Path with query, from ``/apis`` on.
            idle_timeout: Seconds without a byte after which the stream counts as dead; bookmarks come every minute.
        """
        api = self._api or await self._loaded()
        timeout = aiohttp.ClientTimeout(total=None, connect=self._access.connect_timeout, sock_read=idle_timeout)
        raw = await api.call_api(
            "GET", api.configuration.host + path, await self._headers(api, None), _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = raw.response
        try:
            if response.status == HTTPStatus.UNAUTHORIZED:
                await self._reloaded(api)
            yield response
        finally:
            response.close()

    async def _send(
        self, api: ApiClient, method: str, path: str, body: bytes | None, content_type: str, accept: str
    ) -> Response:
        headers = await self._headers(api, content_type if body is not None else None)
        if accept:
            headers["Accept"] = accept
        raw = await api.call_api(method, api.configuration.host + path, headers, body, _request_timeout=self._timeout)
        return Response(raw.status, raw.headers, await raw.read())  # type: ignore[no-untyped-call]

    async def _headers(self, api: ApiClient, content_type: str | None) -> dict[str, str]:
        headers = {"Accept": JSON, "User-Agent": api.user_agent}
        if content_type is not None:
            headers["Content-Type"] = content_type
        try:
            await api.update_params_for_auth(headers, None, ["BearerToken"], None, None, None)
        except (ConfigException, OSError) as failure:
            raise _unreadable(str(failure)) from failure
        return headers

    async def _loaded(self) -> ApiClient:
        async with self._loading:
            if self._api is None:
                self._api = _client(await self._configuration())
            return self._api

    async def _reloaded(self, refused: ApiClient) -> ApiClient | None:
        """Return a client with other credentials than ``refused``, or ``None`` if there are none."""
        async with self._loading:
            if self._api is not None and self._api is not refused:
                return self._api
            fresh = await self._configuration()
            old = refused.configuration
            if (fresh.api_key, fresh.cert_file) == (old.api_key, old.cert_file):
                return None
            # Requests of other messages may still use the refused client: it is closed one reload later.
            if self._retired is not None:
                await self._retired.close()  # type: ignore[no-untyped-call]
            self._retired, self._api = refused, _client(fresh)
            return self._api

    async def _configuration(self) -> Configuration:
        configuration = Configuration(
            connection_pool_maxsize=self._access.pool_size,
            client_session_kwargs={"trust_env": False, "cookie_jar": aiohttp.DummyCookieJar()},
        )
        try:
            if self._access.kubeconfig or SERVICE_HOST_ENV_NAME not in os.environ:
                await load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=self._access.kubeconfig or None,
                    context=self._access.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            else:
                load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError) as failure:
            raise _unreadable(str(failure)) from failure
        except Exception as failure:  # noqa: BLE001 - see below
            # The library raises whatever a malformed file provokes; the text may quote the file, and so a token.
            raise _unreadable(type(failure).__name__) from None
        if configuration.proxy is None:
            configuration.proxy = _environment_proxy(configuration.host)
        return configuration


def _client(configuration: Configuration) -> ApiClient:
    client = ApiClient(configuration)
    client.rest_client = _BytesRestClient(configuration)
    client.user_agent = "platform-worker"
    return client


def _environment_proxy(host: str) -> str | None:
    target = urlsplit(host)
    if proxy_bypass_environment(target.netloc):
        return None
    return getproxies_environment().get(target.scheme)


def _unreadable(why: str) -> Misconfigured:
    return Misconfigured(
        SYSTEM,
        f"no access to the Kubernetes API: {why}",
        fix="mount the Pod's ServiceAccount token, or set KUBECONFIG to a readable kubeconfig file",
    )
