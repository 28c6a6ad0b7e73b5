"""The HTTP side of the embedded API: one aiohttp server on loopback, one catch-all route.

A single handler instead of a route table, since kinds come and go with their definitions; it reads, decides nothing,
and logs.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from worker.dev.kubernetes import bodies, discovery, status
from worker.dev.kubernetes.call import Call, Target, resolve, verb_of
from worker.dev.kubernetes.cluster import Answer, Cluster
from worker.dev.kubernetes.definitions import load_folder
from worker.dev.kubernetes.faults import ConnectionDropped, Faults
from worker.dev.kubernetes.kubeconfig import kubeconfig
from worker.dev.kubernetes.objects import JsonObject, encode
from worker.dev.kubernetes.reviews import ACCESS_REVIEW_PATH, access_review
from worker.dev.kubernetes.status import ApiError
from worker.dev.kubernetes.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.dev.kubernetes.authentication import Identity
    from worker.dev.kubernetes.request_log import RequestLog

SHIPPED_DEFINITIONS = Path(__file__).parent.parent / "crds"
_HEALTH = frozenset({"/readyz", "/healthz", "/livez"})
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class KubernetesApi:
    """An embedded Kubernetes API on a loopback port.

    Example:
        async with KubernetesApi() as api:
            api.url, api.token
    """

    def __init__(
        self,
        *,
        history: int = 4096,
        definitions: Path | None = SHIPPED_DEFINITIONS,
        provide_namespaces: bool = False,
    ) -> None:
        """Prepare a cluster.

        Args:
            history: changes per resource from which watches can resume.
            definitions: folder of CustomResourceDefinitions that are served from the start; None for none.
            provide_namespaces: make the namespace of a new object where it is missing.
        """
        self.cluster = Cluster(history=history, provide_namespaces=provide_namespaces)
        for value in load_folder(definitions) if definitions is not None else ():
            self.cluster.load(value)
        self._runner: web.ServerRunner | None = None
        self._streams: set[asyncio.Task[object]] = set()
        self.url = ""

    @property
    def token(self) -> str:
        """Bearer token of the administrator."""
        return self.cluster.tokens.admin

    @property
    def faults(self) -> Faults:
        """The fault rules in force."""
        return self.cluster.faults

    @property
    def log(self) -> RequestLog:
        """The requests so far."""
        return self.cluster.log

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 takes a free one.

        Returns:
            The base address.

        Raises:
            OSError: the port is taken.
        """
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0]
        self.url = f"http://{bound[0]}:{bound[1]}"
        return self.url

    async def stop(self) -> None:
        """Close the socket and end every watch."""
        if self._runner is not None:
            for stream in tuple(self._streams):
                stream.cancel()
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> KubernetesApi:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def kubeconfig(self, namespace: str = "default") -> JsonObject:
        """Return a kubeconfig of the administrator."""
        return kubeconfig(self.url, self.token, namespace)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, query = request.path, request.rel_url.query
        identity: Identity | None = None
        call: Call | None = None
        code = 0
        try:
            identity = self.cluster.tokens.identify(request.headers.get("Authorization"))
            document = self._document(path)
            if document is not None:
                code = 200
                return document
            target = Target.of(path)
            if path == ACCESS_REVIEW_PATH and request.method == "POST":
                code = 201
                review = access_review(self.cluster.authorizer, identity, bodies.load_options(await _read(request)))
                return _json(201, encode(review))
            if target is None:
                raise status.unknown_path()
            call = self._call(request, target, query, identity)
            self.cluster.authorizer.check(call)
            body = await _read(request) if request.method in _BODY_METHODS else b""
            outcome = await self.cluster.perform(call, body)
            code = 200 if isinstance(outcome, Watch) else outcome.code
            return await self._answer(request, call, outcome)
        except ApiError as error:
            code = error.code
            return _refuse(error)
        except ConnectionDropped:
            code = 0
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)
        finally:
            self._record(request, path, identity, call, code)

    def _call(self, request: web.BaseRequest, target: Target, query: Mapping[str, str], identity: Identity) -> Call:
        verb = verb_of(request.method, target, query)
        resource = resolve(self.cluster.registry, target)
        if resource.namespaced and target.namespace is None and verb not in {"list", "watch"}:
            raise status.unknown_path()
        named_create = bool(target.name) and verb == "create" and not target.subresource
        if not verb or (named_create and not resource.custom):
            raise status.method_not_allowed()
        if not target.name and verb in {"update", "patch"}:
            raise status.bad_request("name must be provided") if resource.custom else status.method_not_allowed()
        headers = request.headers
        return Call(
            verb,
            resource,
            target.namespace,
            target.name,
            target.subresource,
            query,
            identity,
            request.path,
            headers.get("User-Agent", ""),
            headers.get("Content-Type", ""),
        )

    def _document(self, path: str) -> web.Response | None:
        if path in _HEALTH:
            return web.Response(text="ok")
        document = discovery.document(self.cluster.registry, path)
        return None if document is None else _json(200, encode(document))

    async def _answer(self, request: web.BaseRequest, call: Call, outcome: Answer | Watch) -> web.StreamResponse:
        if isinstance(outcome, Answer):
            response = _json(outcome.code, outcome.body)
            for warning in call.warnings:
                response.headers.add("Warning", f"299 - {json.dumps(warning)}")
            return response
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._streams.add(task)
        try:
            async for chunk in outcome.lines():
                await stream.write(chunk)
        except ConnectionResetError:
            pass  # the client has left
        finally:
            self._streams.discard(task)
        return stream

    def _record(
        self, request: web.BaseRequest, path: str, identity: Identity | None, call: Call | None, code: int
    ) -> None:
        self.cluster.log.add(
            user=identity.user if identity else "",
            verb=call.verb if call else request.method.lower(),
            path=path,
            resource=call.resource.qualified if call else "",
            namespace=(call.namespace or "") if call else "",
            name=call.name if call else "",
            code=code,
            committed=bool(call and call.committed),
        )


async def _read(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > status.BODY_LIMIT:
        raise status.body_too_large()
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > status.BODY_LIMIT:
            raise status.body_too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _json(code: int, body: bytes) -> web.Response:
    return web.Response(status=code, body=body, headers={"Content-Type": "application/json"})


def _refuse(error: ApiError) -> web.Response:
    return web.Response(
        status=error.code, body=error.body(), headers={"Content-Type": error.content_type, **error.headers}
    )
