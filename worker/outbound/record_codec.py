"""Records ↔ the JSON that the state bucket holds.

What equals its default is left out, so a record stays small and a new field with a default needs no migration. A
worker refuses what a newer one wrote: acting on a record that it half understands could tear down what is wanted.
"""

from __future__ import annotations

import json

from pydantic import TypeAdapter, ValidationError

from worker.domain.record import SCHEMA_VERSION, Record
from worker.errors import NewerRecord, Rejected, WorkerError, shorten

_RECORDS: TypeAdapter[Record] = TypeAdapter(Record)


def dumps(record: Record) -> bytes:
    """Return the stored form of ``record``, with the schema version that it was written under."""
    body = _RECORDS.dump_json(record, exclude_defaults=True)
    return b'{"version":%d,%s' % (SCHEMA_VERSION, body[1:])


def loads(body: bytes, key: str) -> Record:
    """Read the stored form.

    Args:
        body: The stored bytes.
        key: Where they were found, for errors.

    Raises:
        NewerRecord: A newer worker wrote them.
        WorkerError: They are no record.
    """
    try:
        record = _RECORDS.validate_json(body)
    except ValidationError as failure:
        version = _version(body)
        if version > SCHEMA_VERSION:
            raise NewerRecord(key, version, SCHEMA_VERSION) from failure
        raise WorkerError(f"the record {key} cannot be read: {shorten(str(failure))}") from failure
    if record.version > SCHEMA_VERSION:
        raise NewerRecord(key, record.version, SCHEMA_VERSION)
    return record


def check_size(body: bytes, limit: int) -> None:
    """Refuse a record that the broker would not take.

    Raises:
        Rejected: ``record-too-large``.
    """
    if len(body) > limit:
        raise Rejected(
            "record-too-large",
            f"the record of this application would have {len(body)} bytes, the broker takes {limit}",
            fix="split the application, or shorten its components' properties",
        )


def _version(body: bytes) -> int:
    try:
        version = json.loads(body)["version"]
    except (ValueError, TypeError, KeyError):
        return 0
    return version if isinstance(version, int) else 0
