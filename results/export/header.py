"""The header of a model file: the architecture and the origin of the weights."""

import json
from collections.abc import Mapping
from typing import Any

from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.json_fields import is_mapping
from .formats import MARK

VERSION = "2"
"""Version of the header."""


def make_header(architecture: Architecture, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the header of a file that holds ``architecture``.

    Args:
        architecture: The architecture in the file.
        metadata: Origin of the weights and other facts, as JSON values.
    """
    return {
        MARK: VERSION,
        "digest": architecture.digest,
        "architecture": json.dumps(architecture.canonical.to_json()),
        "metadata": json.dumps(dict(metadata)),
    }


def read_facts(header: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the metadata in a file's header, without the architecture.

    Raises:
        InputError: If the metadata are not a JSON object.
    """
    try:
        facts = json.loads(header["metadata"])
    except (ValueError, LookupError, RecursionError):
        facts = None
    if not is_mapping(facts):
        raise InputError("the metadata of a model file must be a JSON object, but are not")
    return facts


def read_header(header: Mapping[str, str]) -> Architecture:
    """Return the architecture that a header describes.

    Raises:
        InputError: If nas-explorer did not write the header, or it contradicts itself.
    """
    if MARK not in header:
        raise InputError("a model file must be written by nas-explorer, but names no architecture")
    if header[MARK] != VERSION:
        raise InputError(f"the version of a model file must be {VERSION}, but is {header[MARK]!r}")
    try:
        architecture = Architecture.from_json(json.loads(header["architecture"]))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"a model file must describe its architecture, but: {error}") from error
    if header.get("digest") != architecture.digest:
        raise InputError(
            f"the digest of a model file must be that of its architecture, "
            f"{architecture.digest[:12]}, but is {str(header.get('digest'))[:12]!r}"
        )
    return architecture
