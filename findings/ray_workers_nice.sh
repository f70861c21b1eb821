#!/bin/sh
# Ray 2.60.0 runs every task and actor at niceness 15.
#
# Ray adds 15 to the niceness of the workers that it starts. So beside any other busy process on the
# same cores a task gets a few percent of a core, and a time measured in it is many times too long.
# Nothing in the task or in the list of resources shows it. RAY_worker_niceness=0 in the environment
# of the process that starts Ray changes it.
#
# Seen (Linux, Python 3.11):
#   niceness of the driver 0, of a task 15, of an actor 15
#   with RAY_worker_niceness=0: of the driver 0, of a task 0, of an actor 0
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q ray==2.60.0
cat >"$folder/nice.py" <<'PY'
import os
import sys

import ray

expected = int(sys.argv[1])
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)


@ray.remote
def task():
    return os.nice(0)


@ray.remote
class Actor:
    def nice(self):
        return os.nice(0)


found = ray.get(task.remote()), ray.get(Actor.remote().nice.remote())
print(f"niceness of the driver {os.nice(0)}, of a task {found[0]}, of an actor {found[1]}")
ray.shutdown()
sys.exit(found != (os.nice(0) + expected,) * 2)
PY
cd "$folder"
"$folder/env/bin/python" nice.py 15 2>/dev/null
RAY_worker_niceness=0 "$folder/env/bin/python" nice.py 0 2>/dev/null
