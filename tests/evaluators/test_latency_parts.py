"""Each part has a time, and the times sum to that of the network."""

import torch
from nas_explorer.evaluators.latency.parts import PASSES, part_times
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser


def test_every_part_is_timed_and_nothing_else_changes():
    architecture = load_space("micro").walk(RandomChooser(3)).architecture
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    times = part_times(architecture)
    assert torch.rand(1) == expected, "the caller's random numbers stay as they were"
    assert list(times) == [part.name for part in architecture.parts()]
    assert all(each > 0 for each in times.values()) and PASSES % 2 == 1
    assert part_times(architecture) is times
