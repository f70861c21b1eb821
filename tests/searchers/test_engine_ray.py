import pytest
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.engines import load_engine

pytest.importorskip("ray")
pytestmark = pytest.mark.slow  # importing Ray alone takes seconds


@pytest.mark.parametrize("address", ["garbage", "ray://host:1", "host:port", ""])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="must be 'auto' or HOST:PORT, but got"):
        load_engine("ray")(address=address)


def test_a_negative_share_of_a_gpu_is_refused() -> None:
    with pytest.raises(InputError, match="GPUs per worker must be at least 0, but got -1"):
        load_engine("ray")(gpus_per_worker=-1.0)
