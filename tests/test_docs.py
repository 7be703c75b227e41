"""What the documentation says, runs: every command of README.md and docs/*.md, and every piece of Python."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import shared_folder
from shown import printed, shown, words

from sim import Scenario, simulate
from sim.commands.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Placeholders of the pages, and what stands for them here.
PLACEHOLDERS = {
    "path/to/model.tflite": "model.tflite", "docs/picture.svg": "picture.svg",
    "docs/prices.toml": str(ROOT / "docs" / "prices.toml"),
}  # fmt: skip
MODELS = ("model.tflite", "detector.tflite", "network.tflite", "model_edgetpu.tflite")
ELSEWHERE = ("python3 -m venv", "edgetpusim lab", "edgetpusim sweep", "edgetpusim study", "edgetpusim report",
             "edgetpusim query", "edgetpusim virtual")  # fmt: skip


def commands(page):
    """Commands of a page: lines of code blocks and code spans that begin with ``edgetpusim``."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    lines = re.findall(r"^(?:    |\$ )?(edgetpusim (?!-)[^\n`|]*)$", text, re.MULTILINE)
    spans = re.findall(r"`(edgetpusim [a-z][^`\n]*)`", text)
    found = dict.fromkeys(line.split(" #")[0].strip() for line in (*lines, *spans))
    return [line for line in found if len(line.split()) > 2 and not line.split()[2].startswith("-")]


CASES = [(page.name, line) for page in PAGES for line in commands(page)]


def snippets(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the small files that pages name, and a store of networks of its own."""
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for part in snippets(ROOT / "docs" / "howto.md", "toml"):
        (tmp_path / f"{re.search(r'name = .(.*?).$', part, re.MULTILINE)[1]}.toml").write_text(part)
    return tmp_path


def prepared(line, folder):
    """The command's arguments, with real files for placeholders; skips what other tests run or cannot be had here."""
    if line.startswith(ELSEWHERE):
        pytest.skip("run by the tests of that command")
    if any(mark in line for mark in ("...", "FILE", "NAME", "MODEL", "NETWORK", "<", "package.module")):
        pytest.skip("a form, not a command")
    for placeholder, real in PLACEHOLDERS.items():
        line = line.replace(placeholder, real)
    arguments = shlex.split(line)[1:]
    for name in {word for word in arguments if word in MODELS}:
        source = shared_folder() / "models" / "dense_256.tflite"
        if not source.is_file():
            pytest.skip("no folder of real model files here")
        shutil.copy(source, folder / name)
    return arguments


@pytest.mark.parametrize("page, line", CASES, ids=[f"{page}: {line}" for page, line in CASES])
def test_a_documented_command_runs(page, line, folder, monkeypatch, capsys):
    arguments = prepared(line, folder)
    if "--plot" in arguments:
        pytest.importorskip("altair")
    monkeypatch.setattr(sys, "argv", ["edgetpusim", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code in (0, None), capsys.readouterr().err
    for option in ("-o", "--output", "--plot", "--timeline"):
        if option in arguments:
            assert (folder / arguments[arguments.index(option) + 1]).exists()


PYTHON = [(page, code) for page in PAGES for code in snippets(page, "python")]


@pytest.mark.parametrize("page, code", PYTHON, ids=[f"{page.name} {i}" for i, (page, _) in enumerate(PYTHON)])
def test_a_documented_piece_of_python_runs(page, code, folder):
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert run.returncode == 0, run.stderr


def test_every_page_has_commands_that_run():
    assert {"README.md", "concurrency.md", "execution.md", "howto.md", "parameter-cache.md"} <= {p for p, _ in CASES}


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_that_pages_name_exist():
    for page in (ROOT / "docs" / f"{name}.md" for name in ("execution", "concurrency", "parameter-cache", "lessons")):
        for path in re.findall(r"`((?:sim|hwmodels|tests)/[\w/.]+\.py)`", page.read_text(encoding="utf-8")):
            if (ROOT / path.split("/")[0]).is_dir():
                assert (ROOT / path).exists(), f"{page.name}: {path}"


PAIRS = [
    ("mobilenet_v1_1.0_224:1,mobilenet_v2_1.0_224:1", 22.61, 7.36),
    ("inception_v1_224:1,inception_v4_299:1", 115.71, 100.98),
]


@pytest.mark.parametrize("models, apart, together", PAIRS)
def test_the_agreement_that_parameter_cache_md_claims(models, apart, together):
    for cocompile, measured in ((False, apart), (True, together)):
        # The benchmark runs them in turn: a fair lock does.
        scenario = Scenario(models=models, host="x86-xeon-w2135", compiler="2020", cocompile=cocompile, lock="fair")
        pair_ms = 2e3 / simulate(scenario).summary["throughput_ips"]
        assert pair_ms == pytest.approx(measured, rel=0.15)


def test_the_picture_of_the_readme_is_the_documented_command_s(folder):
    """The shipped picture names what the simulator names now; numbers may move with the calibration."""
    from sim.views.svg_timeline import svg_timeline

    made = svg_timeline(
        Scenario(models="mobilenet_v2_1.0_224", threads=2, preprocess="resize:1920x1080", host="raspberry-pi-4"),
        20,
        None,
    )
    shipped = (ROOT / "docs" / "picture.svg").read_text(encoding="utf-8")
    words = [set(re.findall(r">([a-zA-Z][^<]*)</text>", svg)) for svg in (made, shipped)]
    assert words[0] == words[1]


SHOWN = [one for name in ("README.md", "docs/howto.md") for one in shown(ROOT / name)]


@pytest.mark.parametrize("one", SHOWN, ids=[f"{one.page}: {one.command}" for one in SHOWN])
def test_what_a_page_shows_of_an_answer_is_printed(one):
    """Every line beside a command is a part of what it prints (``python tests/shown.py`` prints all of them now)."""
    out = words(printed(one.command))
    assert one.lines
    for line in one.lines:
        assert words(line) in out, line


def test_what_people_ask_most_is_shown():
    """README answers seven questions in its first lines, the how-to page nine, each with figures."""
    assert len([one for one in SHOWN if one.page == "README.md"]) >= 7
    assert len([one for one in SHOWN if one.page == "howto.md"]) >= 9
    assert (ROOT / "README.md").read_text(encoding="utf-8").index("Asked most") < 1500
    assert all(any(character.isdigit() for character in " ".join(one.lines)) for one in SHOWN)
