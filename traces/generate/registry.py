"""All definitions of the zoo, by name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from traces.generate.definition import Definition

__all__ = ["MODULES", "definitions"]

MODULES = (
    "mobilenets",
    "efficientnets",
    "inceptions",
    "resnets",
    "regnets",
    "classic",
    "densely_connected",
    "shuffled",
    "searched",
    "reparameterised",
    "small",
    "audio",
    "face",
    "sequences",
    "detection",
    "segmentation",
    "pose",
    "superresolution",
    "board_zoo",
)


def definitions() -> dict[str, Definition]:
    """Return every definition by name; a name that two modules claim is an error."""
    merged: dict[str, Definition] = {}
    for definition in _all():
        if definition.name in merged:
            raise ValueError(f"two definitions are named {definition.name!r}")
        merged[definition.name] = definition
    return merged


def _all() -> list[Definition]:
    modules = [f"traces.generate.{name}" for name in MODULES]
    return [item for module in modules if find_spec(module) for item in import_module(module).DEFINITIONS]
