"""Access to the dashboard: model files, and pages for authorised requests only."""

import io
import re
import threading
import zipfile
from dataclasses import fields
from typing import get_args
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from nas_explorer.cli.dashboard import address, kept_weights
from nas_explorer.results.dashboard.app import Settings, make_app, make_dashboard
from nas_explorer.results.dashboard.pages import TEXTS, Reader
from nas_explorer.results.dashboard.source import Source
from nas_explorer.results.export.formats import installed
from nas_explorer.results.export.weights import WeightsFolder
from nas_explorer.results.figures.view import Page, View
from nas_explorer.results.study.storage import StorageError, weights_folder
from nas_explorer.search_space.errors import InputError
from werkzeug.test import create_environ, run_wsgi_app

# Taking home ------------------------------------------------------------------------------------


@pytest.fixture
def exporting(source):
    asked = []

    def exporter(study, number, output, untrained):
        asked.append((study, number, output, untrained))
        if number == 4:
            raise InputError(
                "it failed in '/a b/c/d.py', /home/me/x-1.weights/ab12.safetensors; no"
            )
        output.write_text("model")
        output.with_name("card.md").write_text("card")

    client = make_app(source, Settings(), exporter).server.test_client()
    return client, asked


def test_an_export_is_sent_and_leaves_nothing_behind(exporting):
    client, asked = exporting
    answer = client.get("/export?study=first&candidate=3&format=.onnx")
    assert 'filename="candidate-3.onnx.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert sorted(archive.namelist()) == ["candidate-3.onnx", "card.md"]
    (study, number, output, untrained) = asked[0]
    assert (study, number, untrained) == ("first", 3, False) and not output.parent.exists()
    refused = client.get("/export?study=first&candidate=4&format=.py&untrained=1")
    assert refused.status_code == 409 and asked[1][3]
    assert refused.text == "it failed in 'd.py', ab12.safetensors; no\n"
    assert refused.mimetype == "text/plain"


def test_without_weights_only_fresh_ones_are_offered(study, fill, candidates, url):
    fill(study, *candidates[:2])
    folder = WeightsFolder(weights_folder("first", url))
    kept = folder.path(candidates[1].architecture)
    kept.parent.mkdir()
    kept.touch()
    keeping = Reader(Source(url, weights=kept_weights(url)))
    whole = len(installed()) + 1
    for reader, number, offered in (
        (keeping, 0, 1),
        (keeping, 1, whole),
        (Reader(Source(url)), 0, whole),
    ):
        text = TEXTS["candidate"]["summary"](reader.read(f"?candidate={number}"))
        assert text.count("data-export") == offered
        assert ("Its trained weights were not kept" in text) == (offered == 1)
        assert text.count('aria-disabled="true"') == whole - offered


@pytest.mark.parametrize(
    "query",
    [
        "",
        "study=first&candidate=3&format=.exe",
        "study=other&candidate=3&format=.onnx",
        "study=first&candidate=../3&format=.onnx",
        "study=first&candidate=3&format=/../../x.onnx",
        "study=first&candidate=²&format=.onnx",
        f"study=first&candidate={'9' * 5000}&format=.onnx",
    ],
)
def test_nothing_from_the_address_becomes_a_path(query, exporting):
    client, asked = exporting
    assert client.get(f"/export?{query}").status_code == 400 and not asked


# Who may look -----------------------------------------------------------------------------------


@pytest.fixture
def client(source):
    return make_app(source, Settings()).server.test_client()


@pytest.fixture
def remote(source):
    settings = Settings(host="0.0.0.0", token="secret")
    return make_app(source, settings, lambda *_: None).server.test_client()


@pytest.mark.parametrize("name", ["127.0.0.1:8050", "localhost", "[::1]:80", "127.0.0.2:1"])
def test_it_answers_to_local_names(client, name):
    assert client.get("/", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_the_address_that_is_printed_answers(source, host):
    server = make_dashboard(source, Settings(host=host, port=0))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        with urlopen(address(host, server.port, "first", None), timeout=60) as answer:
            assert answer.status == 200 and b"nas dashboard" in answer.read()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_no_other_page_reaches_it(client):
    for name in ("evil.example", "127.0.0.1.evil.example", "[::1", ""):
        asked = create_environ("/") | {
            "HTTP_HOST": name
        }  # else the client would read the cookie first
        _, status, _ = run_wsgi_app(client.application, asked)
        assert status.startswith("403"), name
    for origin in ("http://evil.example", "null", "http://["):
        answer = client.post("/_dash-update-component", headers={"Origin": origin})
        assert answer.status_code == 403
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/export", headers=cross).status_code == 403
    assert client.get("/", headers=cross | {"Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_without_the_token_nothing_is_design_block(remote):
    paths = {re.sub("<[^>]*>", "x", each.rule) for each in remote.application.url_map.iter_rules()}
    assert {"/export", "/_dash-layout", "/_dash-update-component", "/assets/x"} <= paths
    for path in (*paths, "/assets/dashboard.css", "/none", "/?token=wrong", "/?token=", "/?token"):
        for method in ("get", "post", "put", "head", "options"):
            assert getattr(remote, method)(path).status_code == 401, (method, path)
    remote.set_cookie("nas-dashboard-80", "wrong")
    assert remote.get("/_dash-layout").status_code == 401
    answer = remote.get("/?token=secret&study=first")
    assert answer.status_code == 302 and "token" not in answer.headers["Location"]
    assert "study=first" in answer.headers["Location"]
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert remote.get("/_dash-layout").status_code == 200


def test_an_open_door_without_a_token_is_refused(source):
    with pytest.raises(InputError, match=r"must have a token, but got 0\.0\.0\.0"):
        make_dashboard(source, Settings(host="0.0.0.0", port=0))


def test_a_page_loads_nothing_from_elsewhere(client):
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "'unsafe-inline'" not in policy.split("style-src")[0]
    page = answer.get_data(as_text=True)
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    (script,) = re.findall(r'href="(plotly\.js\?[^"]+)"', page)
    answer = client.get(f"/{script}")
    assert answer.mimetype == "text/javascript" and b"Plotly" in answer.data


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2fapp.py",
        "/_dash-component-suites/dash/../../os.py",
        "/_dash-component-suites/..%2f..%2fetc/passwd",
        "/_dash-component-suites/dash/%00",
        "/_dash-component-suites/none/x.js",
    ],
)
def test_no_path_from_a_browser_reaches_the_file_system(client, path):
    assert client.get(path).status_code == 404
    assert b"def " not in client.get(path).get_data()


# Whatever is asked ------------------------------------------------------------------------------

NASTY = (
    *("", "9" * 5000, "-1", "1e999", "nan", "inf", "²", "0x1", "\x00", "\ud800", "\U0010ffff"),
    *("%", "%ff", "../../etc/passwd", "<script>", "'\";--", "a" * 5_000, "macs", "status"),
)
FILTERS = (
    *("{0}", "{0}:{0}..{0}", "macs:{0}..", "macs:..{0}", "{0}={0}|{0}", "macs={0}"),
    *("macs,accuracy@{0} {0};1 1;2 2", "{0},{0}@1 1;2 2;1 2", "log macs,log x@0 0;{0}"),
)


@pytest.fixture
def ask(client):
    return asking(client)


def asking(client):
    """Return a function that requests the content of an address, as the page does."""
    asked = next(e for e in client.get("/_dash-dependencies").json if "url.search" in e["output"])
    outputs = [e.rpartition(".") for e in asked["output"].strip(".").split("...")]

    def post(query, *causes, **values):
        inputs = [
            {**each, "value": query if each["id"] == "url" else values.get(each["id"])}
            for each in asked["inputs"]
        ]
        body = {
            "output": asked["output"],
            "outputs": [{"id": name, "property": what} for name, _, what in outputs],
            "inputs": inputs,
            "changedPropIds": list(causes or ("url.search",)),
        }
        return client.post("/_dash-update-component", json=body)

    return post


@pytest.mark.parametrize("nasty", NASTY, ids=lambda each: ascii(each[:12]))
def test_no_address_is_too_nasty(ask, nasty):
    quoted = quote(nasty, errors="replace")
    names = (each.name for each in fields(View) if each.name != "page")
    given = "".join(f"&{name}={quoted}" for name in names)
    texts = (quote(form.format(nasty), errors="replace") for form in FILTERS)
    given += "".join(f"&filter={text}" for text in texts)
    for page in (quoted, *get_args(Page)):
        assert ask(f"?page={page}{given}").status_code == 200, page
    assert ask(f"{nasty}?{quoted}={quoted}&sort={nasty}&filter=macs={nasty}").status_code == 200


OUTPUT = "..url.search...contents.data.."
OUTPUTS = [{"id": "url", "property": "search"}, {"id": "contents", "property": "data"}]


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], 5, {}, {"output": "x.y"}, {"output": OUTPUT}, {"output": [OUTPUT]}),
        {"output": OUTPUT, "outputs": OUTPUTS, "inputs": 5, "changedPropIds": []},
        {"output": OUTPUT, "outputs": OUTPUTS, "inputs": [], "changedPropIds": []},
        {"output": OUTPUT, "outputs": [], "inputs": [1, 2, 3], "changedPropIds": []},
        {"output": OUTPUT, "outputs": OUTPUTS, "inputs": [1, 2, 3], "changedPropIds": []},
    ],
)
def test_what_no_page_sends_is_refused(client, body):
    assert client.post("/_dash-update-component", json=body).status_code == 400
    answer = client.post("/_dash-update-component", data=b"{", content_type="application/json")
    assert answer.status_code == 400 and answer.mimetype == "text/plain"


@pytest.mark.parametrize(
    "selected",
    [
        *({"range": 5}, {"range": {"x": [1, 2]}}, {"range": {"x": [1], "y": [2]}}),
        *({"range": {"x": ["a", 1], "y": [1, 2]}}, {"lassoPoints": {"x": [1, 2], "y": [1]}}),
        *({"lassoPoints": [1]}, {"lassoPoints": {"x": [None], "y": [1]}}),
    ],
)
def test_what_is_no_selection_is_refused(ask, selected):
    for figure in ("scatter", "parallel"):
        done = {"what": figure, "selected": selected}
        answer = ask("?study=first", "done.data", done=done)
        assert answer.status_code == 400 and "a selection must be" in answer.text
    box = {"what": "scatter", "selected": {"range": {"x": [1, 2], "y": [0, 1]}}}
    assert ask("?study=first", "done.data", done=box).status_code == 200
    assert ask(5).status_code == 400, "an address is a text"
    assert ask("", "version.data", version=[1]).status_code == 400


def test_a_new_version_is_rendered_whatever_else_is_asked(study, fill, candidates, url):
    fill(study, *candidates[:2])
    client = make_app(Source(url), Settings()).server.test_client()
    ask = asking(client)
    first = client.get("/version?study=first")
    assert (first.status_code, first.text) == (200, "1 first")
    fill(study, candidates[2])
    assert client.get("/version?study=first&page=compare").text == "2 first"
    nothing = {"what": "click", "shown": "1 first"}
    assert ask("?study=first", "done.data", done=nothing).status_code == 204, "nothing is changed"
    chosen = {"what": "click", "candidate": 0, "shown": "2 first"}
    figures = ask("?study=first", "done.data", done=chosen).json["response"]["contents"]["data"]
    assert figures["version"] == "2 first" and "progress" not in figures["figures"]
    for done, cause in ((nothing, "version.data"), ({**chosen, "shown": "1 first"}, "done.data")):
        both = ask("?study=first", cause, "version.data", done=done, version="2 first")
        assert "progress" in both.json["response"]["contents"]["data"]["figures"]


def test_a_version_is_reported_while_the_storage_cannot_be_read(client, monkeypatch, caplog):
    first = client.get("/version").text

    def fail(*_, **__):
        raise StorageError("locked")

    monkeypatch.setattr("nas_explorer.results.study.study.Study.records", fail)
    assert client.get("/version").text == first and "not read: locked" in caplog.text
