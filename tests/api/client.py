"""A plain HTTP client for the API suite: whole answers with headers, and watches as lists of events."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JSON = "application/json"
YAML = "application/yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

Object = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the server said; `body` is {} when it is no JSON object."""

    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Object:
        try:
            parsed = json.loads(self.text)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Pairs of field and reason."""
        return [(c.get("field", ""), c["reason"]) for c in self.body.get("details", {}).get("causes", ())]

    @property
    def metadata(self) -> Object:
        found: Object = self.body["metadata"]
        return found

    @property
    def revision(self) -> str:
        return str(self.metadata["resourceVersion"])


class Client:
    """Requests to one server; with another token by `with_token`."""

    def __init__(self, url: str, token: str | None, ca_file: Path | None = None) -> None:
        self._url, self._token, self._ca_file = url, token, ca_file
        self._tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
        self._kept = threading.local()

    def with_token(self, token: str | None) -> Client:
        return Client(self._url, token, self._ca_file)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        parts = urlsplit(self._url)
        assert parts.hostname is not None
        if self._tls is not None:
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"Accept": JSON, "User-Agent": "suite/1.0", "Content-Type": content_type}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def call(self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str | int) -> Answer:
        """Send one request; bytes and text are sent as they are, all else as JSON."""
        data = body.encode() if isinstance(body, str) else body
        if data is not None and not isinstance(data, bytes):
            data = json.dumps(data).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        connection = self._connect(30)
        try:
            connection.request(method, target, data, self._headers(content_type))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read().decode())
        finally:
            connection.close()

    def expect(
        self, code: int, method: str, path: str, body: object = None, content_type: str = JSON, **query: str | int
    ) -> Answer:
        answer = self.call(method, path, body, content_type, **query)
        assert answer.code == code, f"{method} {path}: expected {code}, got {answer.code} {answer.text[:600]}"
        return answer

    @contextlib.contextmanager
    def hold(self, path: str) -> Iterator[None]:
        """Keep a create under way: its head is sent, its body never is, so it occupies what a request occupies."""
        connection = self._connect(30)
        connection.putrequest("POST", path)
        for name, value in self._headers(JSON).items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", "100")
        connection.endheaders()
        try:
            yield
        finally:
            connection.close()

    def watch(self, path: str, **query: str | int) -> Watch:
        """Open a watch; the answer's head has arrived when this returns, so nothing written later is missed."""
        return Watch(self._connect(20), f"{path}?{urlencode({'watch': '1', **query})}", self._headers(JSON))


class Watch:
    """An open watch."""

    def __init__(self, connection: http.client.HTTPConnection, target: str, headers: dict[str, str]) -> None:
        self._connection = connection
        connection.request("GET", target, headers=headers)
        self._response = connection.getresponse()
        self.code = self._response.status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._connection.close()

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        for line in self._response:
            event = json.loads(line)
            yield event["type"], event["object"]

    def take(self, count: int) -> list[tuple[str, Object]]:
        """Return the next events; fewer only if the server ends the watch."""
        taken: list[tuple[str, Object]] = []
        for event in self:
            taken.append(event)
            if len(taken) == count:
                break
        return taken

    def rest(self) -> list[tuple[str, Object]]:
        """Return all events until the server ends the watch."""
        return list(self)
