"""The command line: what a person sees, and one clear line for every kind of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.commands.cli import main

FAST = "conv5x3x3_f32_64x64"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def call(monkeypatch, capsys):
    """Run ``edgetpusim`` with arguments; return exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgetpusim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def test_run_prints_the_answer_for_people(call):
    code, out, _ = call("run", FAST, "--threads", 2)
    assert code == 0
    for word in ("throughput", "latency", "energy per inference", "gain over one thread", "Limited by the"):
        assert word in out


def test_json_is_one_object_and_nothing_else(call):
    code, out, err = call("run", FAST, "--threads", 2, "--accelerators", 2, "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer["scenario"]["threads"] == 2
    assert answer["speedup_vs_one_thread"] > 1


@pytest.mark.parametrize(
    "arguments", [("compile", FAST, "--json"), ("run", FAST, "--threads", "0"), ("zoo", "show", "no")]
)
def test_the_module_is_the_command(call, arguments):
    """``python -m edgetpusim`` answers, refuses and calls itself as the command does."""
    command = [sys.executable, "-m", "edgetpusim", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == call(*arguments)


def test_a_mix_of_models_shows_the_swap(call):
    _, out, _ = call("run", "fc5_n500_in64_out10:1,fc5_n600_in64_out10:1", "--json")
    mixed = json.loads(out)
    _, out, _ = call("run", "fc5_n500_in64_out10:1,fc5_n600_in64_out10:1", "--cocompile", "--json")
    together = json.loads(out)
    assert mixed["time_breakdown_ms"]["load_parameters"] > 0
    assert together["time_breakdown_ms"]["load_parameters"] == 0
    assert together["throughput_ips"] > mixed["throughput_ips"]


def test_help_has_an_example(call):
    for command in (["run"], ["compile"], ["timeline"], ["zoo", "list"], ["zoo", "show"], ["zoo", "add"]):
        _, out, _ = call(*command, "--help")
        assert "Example: edgetpusim" in out


def test_timeline_is_written_whole(call, tmp_path):
    path = tmp_path / "trace.json"
    code, _, _ = call("timeline", FAST, "--threads", 2, "--inferences", 20, "-o", path)
    assert code == 0
    assert json.loads(path.read_text())["traceEvents"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_user_s_network_is_added_once(call, tmp_path, monkeypatch, shared_models):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path))
    file = shared_models / "dense_256.tflite"
    assert call("zoo", "add", file, "--name", "mine")[0] == 0
    code, _, err = call("zoo", "add", file, "--name", "mine")
    assert (code, err.count("\n")) == (2, 1)
    assert call("zoo", "add", file, "--name", "mine", "--replace")[0] == 0
    assert json.loads(call("run", "mine", "--json")[1])["throughput_ips"] > 0
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["mine.json"]


BAD = [
    ["run", "mobilenet_v2_1.0_225"],
    ["run", "mobilenet"],
    ["run", ""],
    ["run", FAST, "--size", "corl"],
    ["run", FAST, "--host", "raspberry-pi"],
    ["run", FAST, "--link", "usb4"],
    ["run", FAST, "--link", "usb3,usb2"],
    ["run", FAST, "--threads", "0"],
    ["run", FAST, "--threads", "-1"],
    ["run", FAST, "--threads", "many"],
    ["run", FAST, "--accelerators", "-1"],
    ["run", FAST, "--clock", "fast"],
    ["run", FAST, "--clock", "std", "--link", "pcie"],
    ["run", FAST, "--clock", "std", "--size", "large"],
    ["run", FAST, "--mode", "thread"],
    ["run", FAST, "--dispatch", "nearest"],
    ["run", FAST, "--discipline", "lifo"],
    ["run", FAST, "--compiler", "2018"],
    ["run", FAST, "--preprocess", "resize:0x0"],
    ["run", FAST, "--cpu-kernels", "neon"],
    ["run", FAST, "--arrivals", "poisson:-3"],
    ["run", FAST, "--arrivals", "poisson"],
    ["run", FAST, "--unknown"],
    ["run", f"{FAST}:0"],
    ["run", f"{FAST}:1,"],
    ["run", "../../etc/passwd"],
    ["run", "conv5x3x3_f0_64x64"],
    ["run", "conv5x3x3_f99999999_64x64"],
    ["run"],
    ["fly"],
    ["compile", FAST, "--num-segments", "0"],
    ["compile", FAST, "--num-segments", "9"],
    ["compile", FAST, "--num-segments", "3", "--segmentation", "4,2"],
    ["zoo", "list", "--sort", "size"],
    ["zoo", "list", "--task", "cooking"],
    ["zoo", "show", "nothing"],
    ["zoo", "add", "nothing.tflite"],
    ["timeline", FAST, "-o", "/nonexistent/folder/trace.json"],
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_one_line(call, arguments):
    code, out, err = call(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study", "-o", "x", "--workers", "99999"], "--workers must be 0 to 256, not '99999'"),
        (["study", "-o", "x", "--workers", "-1"], "--workers must be 0 to 256, not '-1'"),
        (["study", "-o", "x", "--workers", "two"], "--workers must be a whole number, not 'two'"),
        (["run", FAST, "--threads", "two"], "--threads must be a whole number, not 'two'"),
        (["run", FAST, "--switch-interval-ms", "abc"], "--switch-interval-ms must be a number, not 'abc'"),
        (["site", "-o", "x", "--serve", "99999"], "--serve must be 0 to 65535, not '99999'"),
    ],
)
def test_a_number_out_of_its_range_is_told_the_range(call, arguments, words):
    assert words in call(*arguments)[2]


def test_the_nearest_name_is_offered(call):
    assert "did you mean 'coral'?" in call("run", FAST, "--size", "corral")[2]


FILES = {"empty": b"", "text": b"this is no model at all", "magic": b"\x1c\x00\x00\x00TFL3", "zeros": bytes(4096)}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_model_is_one_line(call, tmp_path, kind):
    path = tmp_path / f"{kind}.tflite"
    path.write_bytes(FILES[kind])
    code, _, err = call("run", path)
    assert (code, err.count("\n")) == (2, 1)
    assert path.name in err


def test_accelerators_may_mix_sizes(call):
    """``--accelerators coral:2,large:1`` and ``--size coral:2,large:1`` are the same set-up."""
    answers = [
        json.loads(call("run", FAST, "--threads", 3, option, "coral:2,large:1", "--json")[1])
        for option in ("--accelerators", "--size")
    ]
    one, other = ({key: value for key, value in a.items() if key not in ("wall_s", "scenario")} for a in answers)
    assert one == other
    assert answers[0]["scenario"]["accelerators"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--accelerators", "coral,large"), "sizes with counts such as coral:2,large:1"),
        (("--accelerators", "coral:1,large:1", "--size", "small"), "names the sizes already"),
        (("--accelerators", "coral:1,largr:1"), "did you mean 'large'?"),
        (("--accelerators", "-1"), "0 to 4096"),
    ],
)
def test_accelerators_that_are_none(call, arguments, said):
    code, out, err = call("run", FAST, *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err


def commands(app):
    """Every command of a typer application, as (words, click command)."""
    import typer

    def walk(command, words):
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, [*words, name])
        if not hasattr(command, "commands"):
            yield words, command

    return list(walk(typer.main.get_command(app), []))


def test_every_command_prints_json_and_shows_an_example():
    from calibration.cli import app as calibrate
    from sim.commands.cli import app

    for words, command in [*commands(app), *commands(calibrate)]:
        options = {name for parameter in command.params for name in parameter.opts}
        assert "--json" in options, words
        assert "Example: edgetpusim" in command.help, words


def test_what_writes_a_file_says_so_in_json(call, tmp_path):
    spec = tmp_path / "spec.toml"
    spec.write_text(f'models = "{FAST}"\nthreads = [1, 2]\n')
    results, trace, page = (tmp_path / name for name in ("r.parquet", "t.json", "r.html"))
    swept = json.loads(call("sweep", spec, "-o", results, "--workers", 1, "--json")[1])
    assert (swept["points"], swept["errors"], swept["output"]) == (2, 0, str(results))
    traced = json.loads(call("timeline", FAST, "--inferences", 3, "-o", trace, "--json")[1])
    assert traced["spans"] > 3
    assert json.loads(call("report", results, "-o", page, "--json")[1])["output"] == str(page)
    assert trace.exists()
    assert page.exists()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("arguments", [
    ("run", FAST, "--threads", "2", "--preprocess", "resize"), ("estimate", FAST), ("advise", FAST, "--min-ips", "1e9"),
    ("compile", FAST), ("zoo", "list", "--task", "pose"), ("zoo", "show", FAST), ("parts", "keys", "host"),
    ("compare", FAST, "", "--threads 2"), ("run", "kein_größeres_模型"), ("run", "--help"),
], ids=" ".join)  # fmt: skip
def test_every_encoding_of_a_redirected_answer_does(encoding, arguments):
    """As on Windows, where a file that an answer is redirected to has no box characters."""
    done = subprocess.run(
        [sys.executable, "-c", "from sim.commands.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "60"}, capture_output=True, timeout=120, check=False,
        cwd=ROOT,
    )  # fmt: skip
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert "Traceback" not in err
    assert done.returncode == (2 if "größer" in arguments[-1] else 0), err
    if arguments[0] == "run" and not done.returncode and arguments[-1] != "--help":
        assert ("█" in out) is (encoding == "utf-8") and ("###" in out) is (encoding != "utf-8")


def test_a_command_that_simulates_nothing_loads_no_engine():
    """``--help``, ``zoo list`` and ``compile`` start faster so; a run loads it when it needs it."""
    code = (
        "import sys, sim.commands.cli; print([n for n in ('simpy', 'sim.engine', 'numpy', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("written", "title"), [
    ("yolov8n", "yolov8n (yolov8n_320) on coral"), ("mobilenet_v2_1.0_224:2", "mobilenet_v2_1.0_224:2 on coral"),
])  # fmt: skip
def test_the_network_that_a_name_means_is_said(call, written, title):
    assert title in call("run", written, "--inferences", 50)[1].replace("\n", " ")


def rows_of(out):
    """What stands right of a row's first word."""
    return {line.split("│")[0].split("|")[0].strip(): line for line in out.splitlines()}


def test_what_does_not_vary_is_not_told_three_times(call):
    constant, random = (
        rows_of(call("run", "mobilenet_v2_1.0_224", "--host", "pi4", *more)[1])
        for more in ((), ("--jitter", "measured"))
    )
    assert "always the same" in constant["latency, mean"] and "p95" not in constant["latency, mean"]
    assert "p95" in random["latency, mean"]


def test_both_ends_of_a_lock_are_shown_where_they_differ(call):
    mixed, alike = (
        rows_of(call("run", models, "--host", "pi4", "--threads", 4)[1])
        for models in ("mobilenet_v1_1.0_224:2,mobilenet_v2_1.0_224:2", "yolo11n")
    )
    assert " to " in mixed["mutex or fair lock"]
    assert "mutex or fair lock" not in alike


def test_a_thread_that_serves_all_networks_is_told_for_each(call):
    out = call("run", "ssdlite_mobiledet_320@20,mobilenet_v2_1.0_224@10", "--host", "n100")[1]
    table = [
        line.replace("│", "|").split("|") for line in out.splitlines() if line.startswith(("ssdlite", "mobilenet_v2"))
    ]
    assert [cells[1].strip() for cells in table[1:]] == ["1", "1"]


def test_a_long_list_of_names_is_a_command_away(call):
    code, _, err = call("run", "mobilenet_v2_1.0_224", "--host", "pi9")
    assert code == 2 and "edgetpusim parts hosts" in err and len(err) < 200


@pytest.mark.parametrize("command", ["run", "estimate", "advise", "capacity"])
def test_an_answer_says_which_network_was_meant(call, command):
    more = ("--cameras", "1x5") if command == "capacity" else ()
    assert "MobileDet (ssdlite_mobiledet_320)" in call(command, "MobileDet", "--host", "pi4", *more)[1].splitlines()[0]


def test_a_picture_that_was_written_is_said(call, tmp_path):
    code, out, err = call("timeline", "mobilenet_v2_1.0_224", "-o", tmp_path / "t.svg")
    assert (code, out) == (0, "") and "t.svg" in err


def test_threads_that_get_more_than_they_serve_are_said_to_be_busy(call):
    out = call("estimate", "mobilenet_v2_1.0_224@60,ssdlite_mobiledet_320@30", "--host", "pi4")[1]
    assert "overloaded" in out and "Every thread is busy all the time." in out and "Nothing is full" not in out


@pytest.mark.parametrize("written", ["mobilenet_v2_1.0_224@100", "mobilenet_v2_1.0_224:2", "mobilenet_v2_1.0_224"])
def test_a_name_that_means_itself_is_not_told_twice(call, written):
    assert call("estimate", written, "--host", "pi4")[1].startswith(f"{written} on coral")
