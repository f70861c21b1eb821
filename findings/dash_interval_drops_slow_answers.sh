#!/bin/sh
# Dash 4.4.1 never shows the result of an Interval's callback that takes longer than the interval.
#
# Each tick requests the callback again, and the renderer drops the answer of every earlier request
# that has not come yet. So a callback of 0.6 s under an interval of 0.2 s runs on the server again
# and again, and the page stays as it is, without an error. With an interval of 2 s it is updated.
#
# Needs Chromium on the PATH. Seen (Python 3.11, Chromium 156, Playwright 1.65.2):
#   interval 2000 ms: the page shows an answer: True
#   interval  200 ms: the page shows an answer: False
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v chromium >/dev/null || { echo "needs Chromium"; exit 1; }
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q dash==4.4.1 playwright==1.65.2
cd "$folder"
"$folder/env/bin/python" - <<'PY'
import logging
import shutil
import threading
import time

from dash import Dash, Input, Output, dcc, html
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server


logging.getLogger("werkzeug").setLevel(logging.ERROR)


def shows_a_result(milliseconds):
    app = Dash(__name__)
    app.layout = html.Div([dcc.Interval(id="tick", interval=milliseconds), html.P("none", id="out")])
    answered = []

    @app.callback(Output("out", "children"), Input("tick", "n_intervals"), prevent_initial_call=True)
    def slow(count):
        time.sleep(0.6)
        answered.append(count)
        return f"tick {count}"

    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#out")
        page.wait_for_timeout(8000)
        shown = page.inner_text("#out") != "none"
        browser.close()
    server.shutdown()
    assert len(answered) > 2, "the callback has hardly run"
    print(f"interval {milliseconds:4} ms: the page shows an answer: {shown}")
    return shown


assert shows_a_result(2000), "the page is not updated at all"
assert not shows_a_result(200), "slow answers are shown now"
PY
