"""The conversion of a program to LiteRT, in a process of its own.

The converter prints its progress, and changes the logs, the signals and the environment of its
process. It reads ``model.pt2`` in the working folder, and writes ``model.tflite``.
"""

import importlib
import os
import sys
from typing import Any

import torch

LOADED, MADE = "model.pt2", "model.tflite"
"""Names of the file that is read and of the file that is written."""


def main() -> None:
    """Convert the program; an error is the last line of standard error, with code 1."""
    os.dup2(2, 1)  # so that the error is the last line of all
    try:
        program = torch.export.load(LOADED)
        [name] = program.graph_signature.user_inputs
        image = next(each for each in program.graph.nodes if each.name == name).meta["val"]
        converter: Any = importlib.import_module("litert_torch")
        made = converter.convert(program.module(), (torch.zeros(tuple(image.shape)),))
        made.export(MADE)
    except Exception as error:  # the converter may raise anything
        lines = str(error).strip().splitlines()
        sys.exit(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")


if __name__ == "__main__":
    main()
