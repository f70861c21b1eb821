"""Write the part of ``docs/runtimes.md`` about components from the table of the package."""

from pathlib import Path

from nas_explorer.evaluators.runtimes.component_page import with_components
from nas_explorer.evaluators.runtimes.component_table import component_table

page = Path(__file__).with_name("runtimes.md")
page.write_text(with_components(page.read_text("utf-8"), component_table()), encoding="utf-8")
