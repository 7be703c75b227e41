"""``edgetpusim virtual``: what a person sees, and one clear line for what cannot work."""

from __future__ import annotations

import json
import sys

import pytest
from virtual_files import HEAD, LITERT, NEEDS_LINUX, NO_LITERT, write_compiled

from sim.commands.cli import main
from sim.virtual.launch import find_files
from sim.virtual.library import compiler

pytestmark = NEEDS_LINUX


@pytest.fixture
def file(tmp_path):
    return write_compiled(tmp_path / "one_edgetpu.tflite")


@pytest.fixture
def call(monkeypatch, capfd):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["edgetpusim", "virtual", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def program(tmp_path, code):
    pytest.importorskip(LITERT, reason=NO_LITERT)
    path = tmp_path / "program.py"
    path.write_text(HEAD + code)
    return [sys.executable, path]


def test_a_program_runs_unchanged_and_is_reported(call, file, tmp_path):
    code = "i = make(sys.argv[1])\nfor _ in range(5): i.invoke()\nprint('mine')"
    status, out, err = call("--accelerators", 2, "--", *program(tmp_path, code), file)
    assert (status, out) == (0, "mine\n")
    for words in ("real threads", "simulated", "inferences/s", "accelerators in use", "wait p99"):
        assert words in err


def test_json_stands_alone(call, file, tmp_path):
    code = "i = make(sys.argv[1])\nfor _ in range(5): i.invoke()\nprint('mine')\nsys.exit(3)"
    timeline = tmp_path / "trace.json"
    options = ["--json", "--timeline", timeline, "--clock-mode", "logical", "--host-work", "none"]
    status, out, err = call(*options, "--", *program(tmp_path, code), file)
    report = json.loads(out)
    assert (status, report["exit_code"], err) == (3, 3, "mine\n")
    assert (report["inferences"], report["clock_mode"], report["parameter_loads"]) == (5, "logical", 1)
    assert report["wait_ms"]["max"] == 0
    assert json.loads(timeline.read_text())["traceEvents"]


def test_a_program_that_is_killed_has_the_shell_s_code(call, file, tmp_path):
    code = "import os, signal\nmake(sys.argv[1]).invoke()\nos.kill(os.getpid(), signal.SIGKILL)"
    status, _, err = call("--", *program(tmp_path, code), file)
    assert status == 128 + 9
    assert "inferences/s" in err


def test_the_library_is_prepared_for_a_container(call, file, tmp_path, monkeypatch):
    target = tmp_path / "new" / "library"
    if compiler() is not None:
        status, out, _ = call("--library", target, "--model", file)
        assert (status, out) == (0, f"EDGETPUSIM_VIRTUAL={target}\nLD_LIBRARY_PATH={target}\n")
        assert {"libedgetpu.so.1", "libedgetpu.so.1.0", "plan.txt", "state"} <= {p.name for p in target.iterdir()}
    monkeypatch.setenv("CC", "no-such-compiler")
    status, out, err = call("--library", tmp_path / "none", "--model", file)
    assert (status, out, err.count("\n")) == (0, "", 1)
    assert "no C compiler" in err


BAD = [
    (["--", "python", "-c", "pass"], "names no file compiled"),
    (["--", "no-such-program", "FILE"], "no-such-program"),
    (["--", "python3", "-I", "FILE"], "ignores PYTHONPATH"),
    (["--", "python3", "-uE", "FILE"], "ignores PYTHONPATH"),
    (["--model", "FILE"], "name it after --"),
    (["--outputs", "ones", "--", "true", "FILE"], "zeros, noise or twin, or a file"),
    (["--outputs", "/dev/null", "--", "true", "FILE"], "zeros, noise or twin, or a file"),
    (["--outputs", "twin", "--", "true", "FILE"], "needs the file from before compilation"),
    (["--clock-mode", "logic", "--", "true", "FILE"], "did you mean 'logical'?"),
    (["--host-work", "none", "--", "true", "FILE"], "needs --clock-mode logical"),
    (["--size", "small", "--", "true", "FILE"], "this chip only"),
    (["--accelerators", "17", "--", "true", "FILE"], "at most 16"),
    (["--library", "x", "--clock-mode", "logical", "--model", "FILE"], "knows real time only"),
    (["--model", "nothing_edgetpu.tflite", "--", "true"], "nothing_edgetpu"),
]


@pytest.mark.parametrize("arguments, words", BAD, ids=[words for _, words in BAD])
def test_what_cannot_work_is_one_line(call, file, arguments, words):
    status, out, err = call(*[str(file) if word == "FILE" else word for word in arguments])
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_files_are_found_where_a_program_names_them(file, tmp_path):
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(b"no model")
    script = tmp_path / "script.py"
    script.write_text("")
    assert find_files(["python", str(script)]) == [file]
    assert find_files(["python", str(tmp_path)]) == [file]
    assert find_files(["python", f"--model={file}", str(plain)]) == [file]
    assert find_files(["python", str(plain)]) == []
    assert find_files(["python", "-c", "pass"]) == []
