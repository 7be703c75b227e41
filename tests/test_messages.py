"""The law of bad input: one sentence that names the option and the value, exit code 2, and nothing half-written."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

import calibration.cli
import hwmodels
import sim.commands.cli
from sim.commands.cli import run_app
from sim.scenario import flag, option_fields

PACKAGES = (hwmodels, sim, calibration)
SOURCES = [path for package in PACKAGES for path in sorted(Path(package.__path__[0]).rglob("*.py"))]
APPS = {"edgetpusim": sim.commands.cli.app, "edgetpusim-calibrate": calibration.cli.app}
PROGRAMS = {name: get_command(app) for name, app in APPS.items()}  # built once: that takes longer than a refusal
NET = "conv5x3x3_f32_64x64"
HEADER = "model,metric,value"
LAW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def calls(path):
    """(call, name of the method or "") of every InputError that a file makes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            method = node.func if isinstance(node.func, ast.Attribute) else None
            owner = method.value if method else node.func
            if (owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")) == "InputError":
                yield node, method.attr if method else ""


def literal(node):
    """The text that a string or an f-string begins with, or an empty one."""
    node = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return str(node.value) if isinstance(node, ast.Constant) else ""


def test_an_error_is_made_by_one_of_the_two_named_constructors():
    found = [(path, call.lineno, made) for path in SOURCES for call, made in calls(path)]
    assert len(found) > 150
    assert [row for row in found if row[2] not in ("value", "problem")] == []


def test_a_problem_has_a_verb_after_its_subject_and_a_value_none_before_what_is_allowed():
    for path in SOURCES:
        for call, made in calls(path):
            words = literal(call.args[1 if made == "problem" else 2]).split()
            if words and made == "problem":
                assert words[0].endswith("s") or words[0] in ("cannot", "could", "ran", "are", "failed"), (path, words)
            if words and made == "value":
                assert words[0] not in ("is", "are", "must", "be", "only", "give", "use"), (path, words)


class Refused:
    """What a refused command said and left."""

    def __init__(self, words, folder, monkeypatch, capsys):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", list(words))
        capsys.readouterr()
        before = sorted(folder.rglob("*"))
        with pytest.raises(SystemExit) as stop:
            run_app(PROGRAMS[words[0]])
        self.code, self.left = stop.value.code, sorted(folder.rglob("*")) != before
        said = capsys.readouterr()
        self.out, self.err = said.out, said.err

    def check(self, *named):
        """One sentence on stderr with every name in it, exit code 2, no output, no file."""
        assert (self.code, self.out, self.left) == (2, "", False), self.err
        assert self.err.startswith("error: ")
        assert self.err.endswith("\n")
        (line,) = self.err.splitlines()
        assert "Traceback" not in line
        assert not re.search(r"[.!?] [A-Z]", line), line
        assert "; got " not in line
        for name in named:
            assert name in line, (name, line)


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "folder").mkdir()
    return lambda *words: Refused(words, tmp_path, monkeypatch, capsys)


WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=9, max_size=12)
CHOICES = [flag(spec) for spec in option_fields().values() if "choices" in spec.metadata]
RANGES = {flag(spec): spec.metadata["range"] for spec in option_fields().values() if "range" in spec.metadata}
KINDS = {"--size": "accelerator", "--link": "link", "--host": "host", "--compiler": "compiler"}  # of part files
FORMS = ("--arrivals", "--thermal", "--preprocess")
WHOLE = [flag(spec) for spec in option_fields().values() if isinstance(spec.default, int) and "range" in spec.metadata]


@LAW
@given(option=st.sampled_from([*CHOICES, *FORMS, *KINDS]), word=WORDS)
def test_a_wrong_word_is_named_with_its_option(refused, option, word):
    refused("edgetpusim", "run", NET, f"{option}={word}").check(KINDS.get(option, option), word)


@LAW
@given(option=st.sampled_from(sorted(RANGES)), beyond=st.integers(1, 10**6), is_low=st.booleans())
def test_a_number_out_of_range_is_named_with_its_option(refused, option, beyond, is_low):
    least, most = RANGES[option]
    value = int(least) - beyond if is_low else int(most) + beyond
    refused("edgetpusim", "run", NET, f"{option}={value}").check(option, str(value), "must be")


@LAW
@given(option=st.sampled_from([option for option in WHOLE if option != "--accelerators"]), word=WORDS)
def test_a_word_for_a_number_is_named_with_its_option(refused, option, word):
    refused("edgetpusim", "run", NET, option, word).check(option, word)


OTHERS = [
    (("edgetpusim", "zoo", "list", "--sort", "{}"), "--sort"),
    (("edgetpusim", "zoo", "show", "{}"), "MODEL"),
    (("edgetpusim", "compile", NET, "--size", "{}"), "accelerator"),
    (("edgetpusim", "compile", NET, "--segmentation", "{}", "--num-segments", "2"), "--segmentation"),
    (("edgetpusim", "estimate", NET, "--method", "{}"), "--method"),
    (("edgetpusim", "lab", "{}"), "LESSON"),
    (("edgetpusim-calibrate", "fit", "-o", "out", "--dataset", "{}"), "--dataset"),
    (("edgetpusim-calibrate", "validate", "--leave-out", "{}"), "--leave-out"),
    (("edgetpusim-calibrate", "measure", "-o", "out.csv", "--meter-at", "{}"), "--meter-at"),
    (("edgetpusim-calibrate", "measure", "-o", "out.csv", "--threads", "{}"), "--threads"),
]


@pytest.mark.parametrize(("words", "named"), OTHERS, ids=lambda value: value if isinstance(value, str) else value[1])
def test_every_command_names_the_option_and_the_wrong_word(refused, words, named):
    refused(*(word.format("wrongword") for word in words)).check(named, "wrongword")


READERS = {
    "a plain or compiled model": ("x.tflite", ("edgetpusim", "run", "{}")),
    "the layers of a model": ("x.tflite", ("edgetpusim", "compile", "{}")),
    "a network to add": ("x.tflite", ("edgetpusim", "zoo", "add", "{}")),
    "a profile": ("x.csv", ("edgetpusim", "run", "profile:{}#a")),
    "an accelerator": ("x.toml", ("edgetpusim", "run", NET, "--size", "{}")),
    "a link": ("x.toml", ("edgetpusim", "run", NET, "--link", "{}")),
    "a host": ("x.toml", ("edgetpusim", "run", NET, "--host", "{}")),
    "a compiler": ("x.toml", ("edgetpusim", "compile", NET, "--compiler", "{}")),
    "Python for the browser": ("x.tgz", ("edgetpusim", "site", "-o", "out", "--pyodide", "{}")),
    "arrival times": ("x.txt", ("edgetpusim", "run", NET, "--arrivals", "trace:{}")),
    "a spec": ("x.toml", ("edgetpusim", "sweep", "{}", "-o", "out.parquet")),
    "results to search": ("x.parquet", ("edgetpusim", "query", "{}")),
    "results to report": ("x.parquet", ("edgetpusim", "report", "{}", "-o", "out.html")),
    "measurements to check": ("x.csv", ("edgetpusim-calibrate", "datasets", "check", "{}")),
    "measurements to predict": ("x.csv", ("edgetpusim-calibrate", "validate", "{}")),
    "measurements to fit": ("x.csv", ("edgetpusim-calibrate", "fit", "-o", "out", "--dataset", "{}")),
    "measurements to convert": ("x.csv", ("edgetpusim-calibrate", "convert", "{}", "-o", "out.csv")),
}


@pytest.fixture(params=list(READERS))
def reader(request):
    """(name of a file, command that reads it)."""
    if READERS[request.param][0].endswith(".parquet"):
        pytest.importorskip("polars")
    name, words = READERS[request.param]
    return name, tuple(word.format(name) for word in words)


def test_a_missing_file_is_named(refused, reader):
    name, words = reader
    refused(*words).check(name)


def test_a_folder_in_place_of_a_file_is_named(refused, reader, tmp_path):
    name, words = reader
    (tmp_path / name).mkdir()
    refused(*words).check(name)


#: What Python's own readers say, which nobody but a programmer of Python reads.
RAW = re.compile(
    r"codec can't|could not convert|invalid literal|base 10|b'|\(char \d|, column \d|NoneType|object|0x[0-9a-f]{2}"
)
DAMAGE = {
    "half a line": b'kind = "host', "a key without a value": b"a = 1\nb = = 3\n", "words": b"one two\nthree\n", "JSON": b'{"a": [1,',
    "another encoding": "größe = 1\n".encode("latin-1"), "nothing": b"", "a header alone": b"model,metric,value\n1,2\n",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_told_in_plain_words(refused, reader, tmp_path, damage):
    name, words = reader
    (tmp_path / name).write_bytes(DAMAGE[damage])
    told = refused(*words)
    told.check(name)
    assert not RAW.search(told.err), told.err


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_a_damaged_file_is_named(refused, reader, tmp_path, data):
    name, words = reader
    (tmp_path / name).write_bytes(data + b"\x00\xff")
    refused(*words).check(name)


WRITERS = {
    "a trace": ("edgetpusim", "run", NET, "--inferences", "1", "--timeline", "{}.json"),
    "a timeline": ("edgetpusim", "timeline", NET, "-o", "{}.json"),
    "a film": ("edgetpusim", "timeline", NET, "-o", "{}.svg"),
    "converted measurements": ("edgetpusim-calibrate", "convert", "old.csv", "-o", "{}.csv"),
}


@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("target", ["nowhere/x", "file/x"])
def test_an_output_that_cannot_be_written_is_named(refused, tmp_path, words, target):
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "old.csv").write_text(f"{HEADER}\n{NET},latency_invoke_ms,1\n")
    refused(*(word.format(target) for word in words)).check(target, "cannot be written")
