"""The static page without a browser: what its worker answers, what is packed, and which Python it accepts."""

from __future__ import annotations

import gc
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from hwmodels.cache import forget
from hwmodels.errors import InputError
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.zoo import names
from sim import Scenario, advise, simulate
from sim.commands.cli import app
from sim.site import bytecode, pyodide
from sim.site.build import build_site, site_files
from sim.site.bundle import code_files, packed, zoo_files
from sim.site.compile_inside import compile_code, compile_library
from sim.site.pyodide import WANTED, pyodide_files
from sim.site.questions import keep, reply
from sim.site.serving import server_of
from sim.views.timeline import record

NET = "mobilenet_v1_0.25_128"
PYTHON = {name: name.encode() for name in WANTED}
STATIC = Path(str(files("sim.site") / "static"))


def told(verb, **options):
    return json.loads(reply(verb, json.dumps(options)))["answer"]


# Questions


def test_a_run_is_that_of_the_simulator_with_its_command():
    found = told("run", models=NET, threads=2, arrivals="poisson:30", inferences=50)
    expected = simulate(Scenario(models=NET, threads=2, arrivals="poisson:30", inferences=50)).summary
    assert {**found["summary"], "wall_s": 0} == {**json.loads(json.dumps(expected)), "wall_s": 0}
    assert found["command"] == f"edgetpusim run {NET} --threads 2 --arrivals poisson:30 --inferences 50"


def test_a_point_of_the_curve_and_advice_are_the_simulator_s():
    scenario = Scenario(models=NET, threads=3)
    assert told("point", models=NET, threads=3)["throughput_ips"] == simulate(scenario).summary["throughput_ips"]
    steps = [(step["change"], step["gain"]) for step in told("advice", models=NET, threads=3)["steps"]]
    assert steps == [(step["change"], step["gain"]) for step in advise(scenario)["steps"]]


def test_a_timeline_shows_whole_inferences_of_every_thread():
    found = told("timeline", models=NET, threads=2)
    assert {"thread 0", "thread 1"} < set(found["components"])
    spans = list(zip(found["on"], found["state"], found["starts"], found["ends"], strict=True))
    assert spans == sorted(spans, key=lambda span: span[2]) and all(start < end for *_, start, end in spans)
    for thread in ("thread 0", "thread 1"):
        invoke = (found["components"].index(thread), found["states"].index("invoke"))
        assert any(span[:2] == invoke and span[3] <= found["ms"] for span in spans)


def test_networks_that_were_asked_about_are_forgotten_again():
    """A browser's memory never shrinks: of fifty networks only the last ones are kept."""
    forget()
    before = graphs()  # what others hold
    for name in names()[:50]:
        told("point", models=name)
    new = {one.name for one in graphs() if not any(one is other for other in before)} & set(names()[:50])
    assert names()[49] in new and len(new) < 35


def graphs():
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is LayerGraph]  # a dead proxy cannot be asked for its class


def test_a_trace_is_that_of_the_command(tmp_path):
    options = {"models": NET, "threads": 2, "inferences": 5}
    record(Scenario(**options), tmp_path / "trace.json", compare=False)
    assert told("trace", **options) == (tmp_path / "trace.json").read_text()
    events = json.loads(told("trace", models=NET))["traceEvents"]
    assert sum(event["name"] == "invoke" for event in events if event["ph"] == "X") >= 50


def test_the_page_is_offered_every_network_and_part():
    found = told("about")
    assert [row["name"] for row in found["networks"]] == names()
    assert {"coral", "dpu-b4096"} <= set(found["sizes"])
    assert found["defaults"]["threads"] == 1 and found["states"]["compute"]["words"] == "compute"
    assert {state for state in found["states"] if not found["states"][state]["colour"]} == {"invoke"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": NET, "thread": 2}, "did you mean 'threads'"),
        ({"models": "mobilenet_v9"}, "did you mean"),
        ({"models": NET, "threads": 0}, "--threads must be 1 to 4096, not 0"),
        ({"models": NET, "threads": None}, "--threads"),
    ],
)
def test_what_is_refused_is_told_in_one_sentence(options, words):
    error = json.loads(reply("run", json.dumps(options)))["error"]
    assert words in error and "\n" not in error


def test_a_dropped_file_keeps_its_name_as_far_as_a_question_can_hold_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert keep("net_edgetpu.tflite", b"1") == "net_edgetpu.tflite"
    assert keep("../my net, v1:2>a.tflite", b"23") == ".._my_net__v1_2_a.tflite"
    assert Path(".._my_net__v1_2_a.tflite").read_bytes() == b"23"


# What is packed


def test_the_packed_code_answers_alone(tmp_path):
    """Unpacked, with no other package in reach, the bundle runs the page's questions."""
    with tarfile.open(fileobj=BytesIO(packed({**code_files(), **zoo_files()}))) as archive:
        archive.extractall(tmp_path, filter="data")
    program = f'from sim.site.questions import reply; print(reply(\'run\', \'{{"models": "{NET}", "threads": 2}}\'))'
    run = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(done.stdout)["answer"]["summary"]
    expected = simulate(Scenario(models=NET, threads=2)).summary
    assert (found["throughput_ips"], found["made_by"]) == (expected["throughput_ips"], expected["made_by"])


def test_commands_and_studies_are_not_packed():
    folders = {path.split("/")[0] + "/" + path.split("/")[1] for path in code_files()}
    assert not folders & {"sim/commands", "sim/virtual", "sim/study"}
    assert not any("static" in path or path.endswith(".pyc") for path in code_files())


def test_an_archive_is_the_same_for_the_same_files():
    assert packed({"b": b"2", "a": b"1"}) == packed({"a": b"1", "b": b"2"})


def test_bytecode_answers_as_sources_do(tmp_path):
    """What the page's Python does at build time, done by this one: no source is left, and data files stay."""
    path = tmp_path / "code.tar.gz"
    path.write_bytes(packed(code_files() | zoo_files()))
    compile_code(str(path))
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "code", filter="data")
    assert not list((tmp_path / "code").rglob("*.py")) and list((tmp_path / "code").rglob("*.toml"))
    program = f"from sim.site.questions import reply; print(reply('point', '{{\"models\": \"{NET}\"}}'))"
    run = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'code')!r}); {program}"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (
        json.loads(done.stdout)["answer"]["throughput_ips"] == simulate(Scenario(models=NET)).summary["throughput_ips"]
    )


def test_the_library_keeps_what_the_page_leads_to(tmp_path):
    path = tmp_path / "library.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("json/__init__.py", "xml/dom.py", "encodings/utf_8.py", "encodings/cp037.py", "pdb.py", "a.txt"):
            archive.writestr(name, "x = 1\n")
    compile_library(str(path))
    assert zipfile.ZipFile(path).namelist() == ["a.txt", "encodings/utf_8.pyc", "json/__init__.pyc"]


def test_without_node_the_sources_stay(monkeypatch, tmp_path):
    files = {**PYTHON, "code.tar.gz": b"code"}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bytecode.with_bytecode(files) == (files, False)
    (tmp_path / "node").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert bytecode.with_bytecode(files) == (files, False)


# The site


def test_the_service_worker_lists_every_file_and_changes_with_each():
    python = {**PYTHON, "code.tar.gz": b"code"}
    found = site_files(python)
    head = found["service.js"].decode().splitlines()
    listed = json.loads(re.fullmatch(r"const FILES = (.*);", head[1])[1])
    assert set(listed) == {"./", *found} - {"service.js"}
    other = site_files({**python, "pyodide.mjs": b"changed"})
    assert other["service.js"].decode().splitlines()[0] != head[0]
    assert "pyodide.asm.wasm.gz" in found and "pyodide.asm.wasm" not in found


def test_the_page_names_no_other_host():
    for path in STATIC.iterdir():
        text = path.read_bytes().decode("latin-1").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://\S+", text) == [], path.name
    for page in STATIC.glob("*.html"):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page.read_text())[1]
        assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "unsafe-inline" not in policy
        assert "style=" not in page.read_text()


def test_a_label_belongs_to_every_control():
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    controls = set(re.findall(r'<(?:input|select) id="(\w+)"', page))
    labelled = set(re.findall(r'<label for="(\w+)"', page)) | set(
        re.findall(r'<label class="check"><input id="(\w+)"', page)
    )
    assert controls == labelled and len(controls) > 12


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A package of our own in place of Pyodide's, with its hash pinned."""
    raw = BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as package:
        for name, data in PYTHON.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            package.addfile(entry, BytesIO(data))
    path = tmp_path / "pyodide.tgz"
    path.write_bytes(raw.getvalue())
    monkeypatch.setattr(pyodide, "SHA512", hashlib.sha512(raw.getvalue()).hexdigest())
    return path


def test_the_command_writes_the_folder(archive, tmp_path):
    found = CliRunner().invoke(app, ["site", "-o", str(tmp_path / "out"), "--pyodide", str(archive), "--json"])
    answer = json.loads(found.stdout)
    out = tmp_path / "out"
    sizes = {path.relative_to(out).as_posix(): path.stat().st_size for path in out.rglob("*") if path.is_file()}
    assert "notebooks/lesson_1.ipynb" in sizes
    assert answer["files"] == sizes and answer["bytes"] == sum(sizes.values())
    assert "python -m http.server" in found.stderr
    assert not answer["compiled"] and "twice the time" in found.stderr  # that Python is none


def test_another_package_is_refused(archive, monkeypatch):
    assert pyodide_files(archive) == PYTHON
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"is not the npm package pyodide .*SHA-512"):
        pyodide_files(archive)


def test_without_npm_there_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"npm is not installed: .*--pyodide FILE"):
        pyodide_files()


def test_npm_that_fails_is_told(monkeypatch, tmp_path):
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(InputError, match=r"npm pack pyodide@.* fails: try again"):
        pyodide_files()


def test_a_folder_that_cannot_be_written_is_told(archive, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        build_site(tmp_path / "file" / "out", archive)


# Serving


def test_a_folder_is_served_on_this_computer_alone(tmp_path):
    (tmp_path / "index.html").write_text("the page")
    with server_of(tmp_path) as server:
        host, port = server.server_address
        Thread(target=server.handle_request).start()
        assert urlopen(f"http://{host}:{port}/", timeout=30).read() == b"the page"
        assert host == "127.0.0.1"
        with pytest.raises(InputError, match=f"--serve {port} cannot be had .*: take another port"):
            server_of(tmp_path, port)
