"""Names of searchers and engines from outside the package."""

import pytest
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.base import Searcher
from nas_explorer.searchers.engines.base import Engine
from nas_explorer.searchers.names import SEARCHERS, searcher_name
from nas_explorer.searchers.plugins import register
from nas_explorer.searchers.random import RandomSearcher


class Nameless(Engine):
    """An engine without a name."""

    def run(self, source: object, factory: object) -> None: ...


@pytest.mark.parametrize(
    ("cls", "says"),
    [
        (type("A", (RandomSearcher,), {"name": "random_search"}), "another spelling of 'random'"),
        (type("B", (RandomSearcher,), {"name": "nsga_2"}), "another spelling of 'nsga2'"),
        (type("C", (RandomSearcher,), {"name": "My-Search!"}), "'my_search' would be right"),
        (type("D", (Searcher,), {"name": "own"}), "the searcher D lacks chooser, learn"),
        (Nameless, "must state its name, but the engine Nameless states None"),
    ],
)
def test_a_class_that_cannot_be_named_is_refused(cls: type, says: str) -> None:
    before = dict(SEARCHERS)
    with pytest.raises(InputError, match=says) as caught:
        register(cls)
    assert "\n" not in str(caught.value) and before == SEARCHERS


def test_an_exact_name_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert searcher_name("Random-Search") == "random"
    monkeypatch.setitem(SEARCHERS, "randomsearch", RandomSearcher)
    assert searcher_name("randomsearch") == "randomsearch"
