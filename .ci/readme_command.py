"""Print one of the README's two commands: ``search`` or ``test``."""

import re
import sys
from pathlib import Path

text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
commands = re.findall(r"^```sh\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)[:2]
sys.stdout.write(commands[("search", "test").index(sys.argv[1])] + "\n")
