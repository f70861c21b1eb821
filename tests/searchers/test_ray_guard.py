"""A killed driver leaves no processes or files behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nas_explorer.searchers.engines.ray_guard import children, guarded

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads processes in /proc")

DRIVER = """
import subprocess, sys, time
from nas_explorer.searchers.engines.ray_guard import children, guarded
grandparent = "import subprocess; subprocess.Popen(['sleep', '60']).wait()"
child = subprocess.Popen([sys.executable, "-c", grandparent])
while not children(child.pid):  # on a loaded machine, Python needs seconds to start
    time.sleep(0.05)
with guarded(sys.argv[1], [child.pid]):
    time.sleep(1.5)  # a look at what the child has started
    print(child.pid, flush=True)
    time.sleep(60)
"""


def soon(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + 60.0
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.05)
    return False


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_driver_leaves_neither_processes_nor_folder(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    command = [sys.executable, "-c", DRIVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        child = int(driver.stdout.readline())
        family = {child, *children(child)}
        assert len(family) == 2
        driver.send_signal(number)
    assert soon(lambda: not any(running(each) for each in family))
    assert soon(lambda: not folder.exists())


def test_a_run_that_ends_leaves_all_as_it_is(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in children(os.getpid())
        with guarded(str(tmp_path), [child.pid]):
            pass
        assert running(child.pid)
        child.kill()
    assert tmp_path.exists()
