"""What the lane may change about a golden render: `platform/04-apis/tests/local-lane.yaml`, read and applied.

Pure functions over manifests and addresses, so that a unit test shows that nothing else changes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "platform" / "04-apis" / "tests" / "local-lane.yaml"
#: Where KEDA finds the monitoring address of NATS, in the metadata of a trigger.
_TRIGGER_ADDRESS = "natsServerMonitoringEndpoint"

Manifest = dict[str, Any]


class NoSuchImageError(LookupError):
    """No process stands for an image."""


class NoSuchProgramError(LookupError):
    """No process stands for a program of an image; the text has the program."""


@dataclass(frozen=True)
class Image:
    """What runs in place of an image.

    Attributes:
        entrypoint: Program of a container that names no command.
        arguments: Its arguments, if the container has none.
        commands: First word of a container's command → the program that runs instead.
    """

    entrypoint: list[str]
    arguments: list[str] = field(default_factory=list)
    commands: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """The whole file.

    Attributes:
        addresses: Address in a cluster → name of the part of the lane that stands for it.
        images: Image reference → what runs.
        intervals: Kind → what its `spec` is overlaid with while KEDA runs.
    """

    addresses: dict[str, str]
    images: dict[str, Image]
    intervals: dict[str, Manifest]

    @classmethod
    def read(cls, path: Path = FILE) -> Rules:
        """Read the file.

        Raises:
            OSError: it cannot be read.
            TypeError: it has a key that is unknown or lacks one.
        """
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        images = {reference: Image(**given) for reference, given in found.pop("images").items()}
        return cls(images=images, **found)

    def located(self, running: Mapping[str, str]) -> dict[str, str]:
        """Return address in a cluster → local address, for the parts that run.

        Args:
            running: Name of a part → its address.
        """
        return {address: running[part] for address, part in self.addresses.items() if part in running}

    def patched(self, manifest: Manifest, running: Mapping[str, str], *, scaling: bool) -> Manifest:
        """Return a composed manifest as the lane applies it.

        Args:
            manifest: Of the golden render; it is left as it is.
            running: Name of a part of the lane → its address.
            scaling: Whether KEDA runs, so that intervals matter.
        """
        manifest = copy.deepcopy(manifest)
        located = self.located(running)
        for trigger in manifest.get("spec", {}).get("triggers", []):
            address = trigger["metadata"].get(_TRIGGER_ADDRESS)
            if address in located:
                trigger["metadata"][_TRIGGER_ADDRESS] = located[address]
        if scaling and manifest["kind"] in self.intervals:
            manifest["spec"] = _overlaid(manifest["spec"], self.intervals[manifest["kind"]])
        return manifest

    def argv(self, container: Manifest, command: list[str], arguments: list[str]) -> list[str]:
        """Return the program that runs in place of a container.

        Args:
            container: Its manifest, for the image.
            command: Its command, with variables expanded; empty if it has none.
            arguments: Its args, likewise.

        Raises:
            NoSuchImageError: nothing stands for the image.
            NoSuchProgramError: nothing stands for the first word of the command.
        """
        image = self.images.get(container["image"])
        if image is None:
            raise NoSuchImageError(container["image"])
        if not command:
            return [*image.entrypoint, *(arguments or image.arguments)]
        if command[0] not in image.commands:
            raise NoSuchProgramError(command[0])
        return [*image.commands[command[0]], *command[1:], *arguments]


def localised(text: str, located: Mapping[str, str]) -> str:
    """Return a value of an environment variable with each address of a cluster replaced by its local one."""
    for address, local in located.items():
        text = text.replace(address, local)
    return text


def _overlaid(below: Manifest, above: Manifest) -> Manifest:
    made = dict(below)
    for key, value in above.items():
        under = made.get(key)
        made[key] = _overlaid(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return made
