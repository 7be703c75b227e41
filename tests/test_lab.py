"""The lessons run headless as programs, show what simulate answers, and the lab keeps strangers out."""

from __future__ import annotations

import csv
import importlib
import json
import re
import time
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import pytest
from trace_check import check, load

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.lab import LESSONS

marimo = pytest.importorskip("marimo", reason="the extra lab is not installed")

from sim.lab import kit, theory  # noqa: E402
from sim.lab.server import Gate, find_lesson, index_page, listen, require_marimo, serve  # noqa: E402
from sim.views.timeline import record  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # marimo's and its server's own


def html(outputs):
    return "".join(str(getattr(output, "text", "")) for output in outputs)


def shown_figures(page):
    """(scenario, {key: (value, text)}) of every block of figures."""
    blocks = re.findall(r"<div data-scenario='(.*?)'.*?>(.*?)(?=<div data-scenario=|<svg|$)", page, re.DOTALL)
    pattern = r"data-figure='(.*?)' data-value='(.*?)'>(.*?)</div>"
    return [
        (Scenario(**json.loads(unescape(options))), {k: (float(v), t) for k, v, t in re.findall(pattern, body)})
        for options, body in blocks
    ]


@pytest.fixture(scope="module", params=LESSONS, ids=lambda lesson: lesson.name)
def run(request):
    app = importlib.import_module(f"sim.lab.{request.param.name}").app
    outputs, definitions = app.run()
    return SimpleNamespace(lesson=request.param, app=app, page=html(outputs), definitions=definitions)


def test_a_lesson_shows_what_simulate_answers(run):
    blocks = shown_figures(run.page)
    assert blocks
    for scenario, figures in blocks:
        summary = simulate(scenario).summary
        assert len(figures) >= 4
        for key, (value, text) in figures.items():
            assert value == kit.value(summary, key), key
            assert text == kit.shown(key, value)


def test_a_lesson_has_all_its_parts(run):
    for part in ("<svg", "polyline", "Measured.", "<summary>", "Your prediction", "All lessons"):
        assert part in run.page, part
    assert "http" not in re.sub(r"http://www.w3.org/\S+|https?://127\S+", "", run.page), "no outside address"


def test_a_lesson_s_scenario_makes_a_valid_trace(run, tmp_path):
    scenario = replace(run.definitions["scenario"], inferences=40)
    record(scenario, tmp_path / "trace.json", layers=True, compare=False)
    check(load(tmp_path / "trace.json"))


def test_every_slider_changes_the_figures(run):
    """Each slider, alone, at its largest value: some shown figure of the lesson differs."""
    before = [figures for _, figures in shown_figures(run.page)]
    controls = {n: v for n, v in run.definitions.items() if type(v).__module__.startswith("marimo._plugins.ui")}
    sliders = {n: v for n, v in controls.items() if type(v).__name__ == "slider"}
    assert sliders
    for name, slider in sliders.items():
        if (run.lesson.number, name) == (8, "rate"):
            continue  # counts only for random arrivals
        changed = slider.stop if slider.value != slider.stop else slider.start
        outputs, _ = run.app.run(defs=controls | {name: SimpleNamespace(value=changed)})
        assert [figures for _, figures in shown_figures(html(outputs))] != before, name


def test_a_prediction_is_answered(run):
    if run.lesson.number == 8:
        pytest.skip("its prediction is a number")
    guess = run.definitions["guess"]
    pages = [html(run.app.run(defs={"guess": SimpleNamespace(value=choice)})[0]) for choice in guess.options]
    assert all("You said" in page for page in pages)
    assert sum("That is what the simulator says too." in page for page in pages) == 1


INTERACTIONS = [
    "mobilenet_v2_1.0_224", "inception_v3_299", "ssd_mobilenet_v2_coco_300", "resnet_50_v1_224",
    "efficientdet_lite0_320", "bisenet_v2_512x1024", "yolov8n_320", "inception_resnet_v2_299",
]  # fmt: skip


@pytest.mark.parametrize("name", INTERACTIONS)
def test_an_interaction_answers_within_half_a_second(name):
    """Of processor time, for what the busiest lesson draws: figures, timeline and a curve of eight points."""
    scenario = Scenario(models=name, threads=3, accelerators=2, host="raspberry-pi-4", preprocess="resize")
    kit.figures(scenario, "throughput_ips")  # the network is loaded and compiled
    took = []
    for number in (5, 6, 7):  # the best of three: a machine that does other work takes longer
        moved = replace(scenario, threads=number)
        start = time.process_time()
        kit.figures(moved, "throughput_ips")
        kit.timeline(moved)
        for threads in range(1, 9):
            kit.point(replace(moved, threads=threads))
        took.append(time.process_time() - start)
    assert min(took) < 0.5


GOOGLE, QUTI, ISSUES, DOCS = "google_reference.csv", "qutibench_power.csv", "issues_misc.csv", "coral_docs.csv"
PAIR = "alternating_pair_latency_ms"
FACTS = [
    (GOOGLE, "pycoral_ref", "invoke_latency_ms", 2.29), (GOOGLE, "pycoral_ref", "invoke_latency_ms", 10.77),
    (GOOGLE, "pycoral_ref", "invoke_latency_ms", 2.17),
    (QUTI, "qutibench", "system_latency_ms", 6.0), (QUTI, "qutibench", "invoke_latency_ms", 2.57),
    (QUTI, "qutibench", "power_full_w", 0.532), (QUTI, "qutibench", "power_full_w", 0.462),
    (QUTI, "qutibench", "system_latency_ms", 7.86),
    (ISSUES, "gh_pycoral_12", "invoke_latency_ms", 2.88), (ISSUES, "gh_pycoral_12", "invoke_latency_ms", 3.45),
    (GOOGLE, "edgetpu_cocompile_ref", PAIR, 22.61), (GOOGLE, "edgetpu_cocompile_ref", PAIR, 7.36),
    (DOCS, "coral_multi_demo", "throughput_fps", 20), (DOCS, "coral_multi_demo", "throughput_fps", 50),
    (ISSUES, "frigate_7247", "throughput_fps", 236), (ISSUES, "frigate_7247", "throughput_fps", 308),
]  # fmt: skip


@pytest.mark.parametrize("file, source, metric, number", FACTS)
def test_a_measured_fact_stands_in_the_datasets(file, source, metric, number):
    import calibration

    folder = importlib.import_module("pathlib").Path(calibration.__file__).parent / "datasets"
    with (folder / file).open(encoding="utf-8") as rows:
        values = [float(r["value"]) for r in csv.DictReader(rows) if (r["source_id"], r["metric"]) == (source, metric)]
    assert any(abs(value / number - 1) < 2e-3 for value in values)


def test_estimates_are_exact_where_theory_is():
    """Without time elsewhere both are 1 / D; mean value analysis stays below the bound; one thread is exact."""
    assert theory.bound_ips(3, 2, 0) == theory.mva_ips(3, 2, 0) == 500
    assert theory.bound_ips(1, 2, 3) == pytest.approx(theory.mva_ips(1, 2, 3)) == pytest.approx(200)
    for threads in range(1, 9):
        assert theory.mva_ips(threads, 2, 3) <= theory.bound_ips(threads, 2, 3) + 1e-9


def test_mean_value_analysis_against_the_machine_repairman():
    """Two threads, D = Z = 1: by balance of the three states, X = (2/2.5) of the accelerator's rate."""
    assert theory.mva_ips(2, 1, 1) == pytest.approx(1e3 * (1 - 1 / (1 + 2 + 2)))


def test_the_command_of_a_scenario_gives_its_answer():
    scenario = Scenario(models="mobilenet_v2_1.0_224", threads=2, cocompile=True, host="raspberry-pi-4")
    assert kit.command(scenario) == (
        "edgetpusim run mobilenet_v2_1.0_224 --host raspberry-pi-4 --threads 2 --cocompile"
    )


def test_lessons_are_found_by_number_and_name():
    assert find_lesson("3") is find_lesson("lesson_3") is LESSONS[2]
    assert find_lesson("") is None
    with pytest.raises(InputError, match="1 to 8"):
        find_lesson("9")


def test_only_loopback_is_listened_on_unless_asked():
    for address in ("0.0.0.0", "192.0.2.1"):
        with pytest.raises(InputError, match="loopback"):
            listen(address, 0)
    with pytest.raises(InputError, match="IP address"):
        listen("example.org", 0)
    for address, remote in (("127.0.0.1", False), ("0.0.0.0", True)):
        door = listen(address, 0, remote)
        assert door.getsockname()[0] == address
        door.close()


def test_a_port_in_use_is_one_line():
    door = listen("127.0.0.1", 0)
    door.listen()
    with pytest.raises(InputError, match="a free port"):
        listen("127.0.0.1", door.getsockname()[1])
    door.close()


def test_a_missing_extra_says_what_to_install(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name == "marimo":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'edgetpusim\[lab\]'"):
        require_marimo()
    with pytest.raises(InputError, match="LESSON"):
        serve("nine")


def ask(path="/", query="", cookie="", kind="http", host="127.0.0.1:4242", origin=""):
    """Send one request through the gate; return the messages that came back and whether it was let in."""
    import asyncio

    sent, inside = [], []

    async def app(scope, receive, send):
        inside.append(scope["path"])

    async def send(message):
        sent.append(message)

    named = {"cookie": cookie, "host": host, "origin": origin}
    headers = [(key.encode(), value.encode()) for key, value in named.items() if value]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(Gate(app, "secret")(scope, None, send))
    return sent, bool(inside)


def test_the_gate_wants_the_token():
    assert ask()[0][0]["status"] == 403
    assert ask(query="access_token=wrong")[0][0]["status"] == 403
    assert ask(cookie="edgetpusim_lab=wrong")[0][0]["status"] == 403
    assert ask(cookie="\x00;;=")[0][0]["status"] == 403
    assert ask(kind="websocket")[0][0]["type"] == "websocket.close"
    assert not ask(kind="websocket", query="access_token=secret")[1]


def test_the_token_becomes_a_cookie():
    sent, inside = ask("/lesson_3/", "access_token=secret")
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], inside, headers[b"location"]) == (303, False, b"/lesson_3/")
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ask("/lesson_3/", cookie=cookie.split(";")[0])[1]


MINE = "edgetpusim_lab=secret"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:1", "10.0.0.1:4242"])
def test_another_host_is_refused_token_or_not(host):
    assert ask(cookie=MINE, host=host)[0][0]["status"] == 403
    assert ask(query="access_token=secret", host=host)[0][0]["status"] == 403
    assert ask(cookie=MINE, host=host, kind="websocket")[0][0]["type"] == "websocket.close"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:4242", "[::1]:4242"])
def test_pages_of_this_host_are_let_in_and_others_are_not(host):
    assert ask(cookie=MINE, host=host, origin=f"http://{host}", kind="websocket")[1]
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert not ask(cookie=MINE, host=host, origin=origin, kind="websocket")[1]
        assert not ask(cookie=MINE, host=host, origin=origin)[1]


def test_the_redirect_stays_on_this_host():
    for path in ("//evil.example/", "/\\evil.example", "/a\r\nset-cookie: x"):
        location = dict(ask(path, "access_token=secret")[0][0]["headers"])[b"location"]
        assert location.startswith(b"/")
        assert not location.startswith((b"//", b"/\\"))
        assert b"\n" not in location


def test_the_list_names_every_lesson():
    assert all(lesson.title in index_page() and f"/{lesson.name}/" in index_page() for lesson in LESSONS)


def test_lessons_are_exported_as_plain_pages(tmp_path):
    from sim.lab.export import export_lessons

    paths = export_lessons(tmp_path / "pages")
    assert len(paths) == len(LESSONS)
    for path in paths:
        page = path.read_text(encoding="utf-8")
        assert "<script" not in page
        assert "<marimo" not in page
        assert shown_figures(page)
        for target in re.findall(r"href='([^'#]+)'", page):
            assert (path.parent / target).exists(), target


def test_an_export_to_a_bad_place_is_one_line(tmp_path):
    from sim.lab.export import export_lessons

    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder"):
        export_lessons(tmp_path / "file")
