"""Write ``docs/mixers.md`` from the tables of components."""

from pathlib import Path

from nas_explorer.search_space.components.describe import mixers_page

Path(__file__).with_name("mixers.md").write_text(mixers_page(), encoding="utf-8")
