"""Model cards: what a model file is, for programs and for people."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...search_space.architecture import Architecture
from .header import MARK, VERSION
from .proof import Proof

_SIGN = f"<!-- {MARK} {VERSION} -->"


def json_card(architecture: Architecture, facts: Mapping[str, Any], proof: Proof) -> bytes:
    """Return the architecture, the facts of the header and the proof as JSON."""
    content = {
        MARK: VERSION,
        "digest": architecture.digest,
        "summary": architecture.summary(),
        "metadata": dict(facts),
        "proof": asdict(proof),
        "architecture": architecture.canonical.to_json(),
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def model_card(architecture: Architecture, facts: Mapping[str, Any], proof: Proof) -> bytes:
    """Return what a person should know of a model file, as Markdown.

    After Mitchell et al., Model Cards for Model Reporting, 2019, as far as a search can tell: what
    the network is, its data, its scores, where it comes from.
    """
    real = f"{proof.real} images of the data" if proof.real else "random images"
    sections: list[tuple[str, Mapping[str, Any]]] = [
        (
            "Network",
            {
                "stages": architecture.outline(),
                "digest": architecture.digest,
                "input": "x".join(map(str, architecture.input)),
                "classes": architecture.classes,
            },
        ),
        ("Scores", _mapping(facts, "measurements") | _mapping(facts, "checked")),
        ("Data", _mapping(facts, "data") | {"licence": facts.get("licence", "not stated")}),
        ("Images", _mapping(facts, "preparation")),
        ("Training", _mapping(facts, "training")),
        ("Search", _mapping(facts, "search")),
        (
            "File",
            {
                "format": proof.format,
                "bytes": proof.size,
                "largest difference of a score": f"{proof.absolute:.3g}",
                "relative": f"{proof.relative:.3g}",
                "same top class": f"{100 * proof.agreement:.1f} % of {real}",
                "time of an image": f"{proof.latency_ratio:.2g} times the network's in torch",
            },
        ),
        ("Environment", {"python": platform.python_version(), "torch": torch.__version__}),
    ]
    lines = [_SIGN, f"# {architecture.outline()}"]
    for title, values in sections:
        lines += ["", f"## {title}", ""]
        lines += [f"- {key}: {_text(value)}" for key, value in values.items()] or ["- not stated"]
    return ("\n".join(lines) + "\n").encode()


def is_card(path: Path) -> bool:
    """Return whether a file is a card that may be replaced."""
    try:
        data = path.read_bytes()
        if path.suffix == ".md":
            return data.startswith(_SIGN.encode())
        return MARK in json.loads(data)
    except (OSError, ValueError, TypeError):
        return False


def _mapping(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a fact as a mapping."""
    value = facts.get(name, {})
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _text(value: Any) -> str:
    """Return a value on one line, so that no text of others becomes a heading."""
    return " ".join(str(value).split())
