"""Is a table whole at every width? Each word of the wide one is in the narrow one, and nothing wraps inside a word."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sim.commands.cli import app
from sim.commands.run_tables import BAR
from sim.commands.study_output import print_points
from sim.commands.tables import Rows, new_console
from sim.commands.virtual_output import print_virtual

WIDE = 400
WIDTHS = (60, 80, 120)
NET = "mobilenet_v2_1.0_224"
PI = ("--host", "raspberry-pi-4")
COMMANDS = {
    "run": ("run", NET, "--threads", "4"),
    "run of a mix": ("run", "mobilenet_v1_1.0_224:1,mobilenet_v2_1.0_224:1", "--deadline-ms", "20"),
    "run with cameras": ("run", NET, "--cameras", "8x10", *PI),
    "estimate": ("estimate", NET, "--method", "mva"),
    "advise": ("advise", NET, *PI),
    "capacity": ("capacity", "conv5x3x3_f32_64x64", "--max-p99-ms", "20", "--inferences", "300", *PI),
    "compare": ("compare", NET, "--host raspberry-pi-4", "--host raspberry-pi-5", "--host raspberry-pi-5 --link pcie"),
    "compare of many": ("compare", NET, *(f"--threads {threads}" for threads in range(1, 9))),
    "compile": ("compile", "vgg_16_224", "--layers"),
    "compile summed up": ("compile", "vgg_16_224"),
    "compile with an operator on the CPU": ("compile", "yolov5s_352", "--layers"),
    "compile of segments": ("compile", "inception_v3_299", "--num-segments", "3"),
    "compile of a set": ("compile", "mobilenet_v1_1.0_224,inception_v3_299", "--cocompile"),
    "zoo list": ("zoo", "list"),
    "zoo show": ("zoo", "show", NET),
    "parts keys": ("parts", "keys", "host"),
    "parts": ("parts",),
}  # fmt: skip
BARS = "█▏▎▍▌▋▊▉"
LINES = "│┃━╇╪─┼"


@cache
def printed(command, width):
    """What a command prints at a width, or in a pipe for none."""
    env = {"COLUMNS": None if width is None else str(width), "FORCE_COLOR": None}
    result = CliRunner().invoke(app, list(command), env=env)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module", params=COMMANDS)
def command(request):
    return COMMANDS[request.param]


@pytest.fixture(scope="module")
def wide(command):
    return printed(command, WIDE)


def words(text):
    """The words of a text and how often each is there; bars are drawings, and a name in a block ends with a colon."""
    plain = re.sub(f"[{BARS}{LINES}]", " ", text)
    return Counter(word.rstrip(":") for word in plain.split())


def quantities(text):
    """Numbers with their units that fill a cell, such as ``358.2 kB``."""
    cells = (cell.strip() for line in text.splitlines() if "│" in line for cell in line.split("│"))
    return Counter(cell for cell in cells if re.fullmatch(r"[\d.]+ [\w/]+", cell))


@pytest.mark.parametrize("width", [*WIDTHS, None])
def test_no_word_of_the_wide_table_is_missing(command, wide, width):
    assert words(wide) - words(printed(command, width)) == Counter()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_number_stays_beside_its_unit(command, wide, width):
    narrow = printed(command, width)
    for cell, count in quantities(wide).items():
        found = re.findall(rf"(?<![\w.]){re.escape(cell)}(?!\w)", narrow)
        assert len(found) >= count, cell


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_longer_than_the_terminal(command, width):
    lines = (line for line in printed(command, width).splitlines() if not line.startswith("| "))  # that is Markdown
    assert [line for line in lines if len(line) > width] == []


def test_a_pipe_has_no_limit(command, wide):
    assert printed(command, None).splitlines()[:3] == wide.splitlines()[:3]
    assert len(printed(command, None).splitlines()) <= len(wide.splitlines())


@pytest.mark.parametrize("width", [*WIDTHS, None])
def test_every_network_of_the_answer_is_in_the_list(width):
    rows = json.loads(printed(("zoo", "list", "--json"), width))["models"]
    shown = words(printed(("zoo", "list"), width))
    assert len(rows) > 200
    for row in rows:
        assert {row["name"], row["task"], "x".join(map(str, row["input"])), f"{row['macs'] / 1e6:.1f}"} <= set(shown)


@pytest.mark.parametrize("width", [*WIDTHS, None])
def test_every_layer_of_the_answer_is_in_the_table(width):
    layers = json.loads(printed((*COMMANDS["compile"], "--json"), width))["layers"]
    shown = words(printed(COMMANDS["compile"], width))
    expected = Counter(word for layer in layers for word in (layer["op"], f"{layer['cycles'] / 1e3:.1f}"))
    assert len(layers) == 23
    assert expected - shown == Counter()
    assert {str(layer["index"]) for layer in layers} <= set(shown)


@pytest.mark.parametrize("width", [*WIDTHS, None])
def test_a_comparison_says_what_to_mind_of_each_set_up(width):
    answer = json.loads(printed((*COMMANDS["compare"], "--json"), width))
    shown = " ".join(printed(COMMANDS["compare"], width).split())
    warnings = {text for one in answer["setups"] for text in one["warnings"]}
    assert warnings
    for text in warnings:
        assert text in shown
    assert "3: --host raspberry-pi-5 --link pcie" in shown
    assert "note (3): an M.2 card" in shown


@pytest.mark.parametrize("name", ["compile", "zoo list", "zoo show", "parts keys"])
def test_an_answer_for_programs_does_not_depend_on_the_width(name):
    command = (*COMMANDS[name], "--json")
    assert printed(command, 20) == printed(command, None)


def session():
    """The report of a session with virtual accelerators: numbers of six digits, so that none is short."""
    times = dict.fromkeys(("mean", "p50", "p95", "p99"), 123.456)
    device = {"device": 0, "throughput_ips": 140.8, "utilisation": 0.99, "wait_ms": times, "parameter_loads": 1}
    counts = {"inferences": 100000, "parameter_loads": 1, "token_changes": 2}
    predicted = {"throughput_ips": 141.8, "latency_ms": times, "utilisation": 1.0}
    return {
        "threads": 2, "throughput_ips": 140.8, "latency_ms": times, "between_ms": times, "devices": [device],
        "predicted": predicted, "no_prediction": "", "warnings": ["a word of warning"], **counts,
    }  # fmt: skip


def reported(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    print_virtual(session())
    return capsys.readouterr().err


@pytest.mark.parametrize("width", WIDTHS)
def test_a_session_is_reported_whole(width, monkeypatch, capsys):
    wide = words(reported(WIDE, monkeypatch, capsys))
    assert {"123.456", "100000", "warning"} <= set(wide)
    assert wide - words(reported(width, monkeypatch, capsys)) == Counter()


POINTS = [
    {
        "models": "efficientdet_lite0_320", "size": size, "host": "raspberry-pi-4", "link": "usb3", "threads": threads,
        "accelerators": 1, "throughput_ips": 1234.5678, "latency_ms_p95": 234.5678, "power_w_total": 4.5678,
        "energy_mj_per_inference": 345.678,
    }
    for size, threads in (("dpu-b4096", 1), ("coral", 12))
]  # fmt: skip


@pytest.mark.parametrize("width", (30, *WIDTHS))
def test_points_of_a_results_file_are_shown_whole(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    print_points(POINTS)
    shown = words(capsys.readouterr().out)
    assert {"efficientdet_lite0_320,", "raspberry-pi-4,", "dpu-b4096", "coral", "12"} <= set(shown)
    assert all(shown[number] == 2 for number in ("1234.57", "234.57", "4.57", "345.68"))


def test_a_terminal_that_says_it_has_no_columns_has_no_limit():
    assert printed(COMMANDS["zoo show"], 0) == printed(COMMANDS["zoo show"], None)


CELLS = st.text("abc.012", min_size=1, max_size=30)
PROSE = st.lists(CELLS, max_size=12).map(" ".join)
ROWS = st.lists(st.tuples(CELLS, CELLS, PROSE, st.just("") | CELLS), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=ROWS, width=st.integers(1, 130))
def test_any_table_is_whole_at_any_width(rows, width):
    console = new_console()
    console.width = width
    table = Rows("a title", "name", "a number", "why", "last", prose=[2])
    for row in rows:
        table.add(*row)
    with console.capture() as capture:
        table.show(console)
    expected = Counter(word for row in rows for cell in row for word in cell.split())
    assert expected - words(capture.get()) == Counter()


def test_text_in_brackets_is_no_markup(capsys):
    table = Rows("model[bold].tflite", "name", "task")
    table.add("net[red].tflite", ":smile:")
    table.show(new_console())
    shown = capsys.readouterr().out
    assert "model[bold].tflite" in shown
    assert {"net[red].tflite", ":smile"} <= set(words(shown))


def test_a_bar_is_as_long_as_there_is_room():
    longest = {
        width: max(line.count("█") for line in printed(COMMANDS["run"], width).splitlines()) for width in (40, 60, WIDE)
    }
    assert 1 <= longest[40] < longest[60] < longest[WIDE] <= BAR


RUN = "from sim.commands.cli import main; main()"


def in_terminal(out_is_terminal):
    """What ``zoo list`` prints in a terminal of 60 columns, into a pipe or onto it."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    env = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {"PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, "zoo", "list", "--family", "mobilenet_v2"], env=env, stdin=theirs, stderr=theirs,
        stdout=theirs if out_is_terminal else subprocess.PIPE,
    ) as process:  # fmt: skip
        os.close(theirs)
        text = read_terminal(ours) if out_is_terminal else process.stdout.read()
    os.close(ours)
    return re.sub(r"\x1b\[[\d;]*m", "", text.decode()).splitlines()


def read_terminal(descriptor):
    """All that is written before the other end closes, which Linux tells by an error."""
    found = b""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:
            return found
        if not part:
            return found
        found += part


def test_a_terminal_limits_what_is_shown_on_it_and_not_what_goes_through_a_pipe():
    shown, piped = in_terminal(True), in_terminal(False)
    assert max(map(len, shown)) <= 60
    assert [line for line in piped if "mobilenet_v2_1.0_224" in line and "224x224x3" in line and "300.8" in line]


def test_the_list_of_the_first_page_is_a_table_in_80_columns():
    """A row is a line, its numbers stand below each other, and what is the same for all is said once."""
    lines = printed(("zoo", "list", "--task", "detection", "--sort", "macs"), 80).splitlines()
    count = int(lines[0].split()[0])
    rows = [line for line in lines if re.search(r" \d+x\d+x3 ", line)]
    assert lines[0].endswith("networks, detection") and len(rows) == count
    macs = [float(row.split()[2]) for row in rows]
    assert macs == sorted(macs) and len({row.index(row.split()[2]) + len(row.split()[2]) for row in rows}) == 1


ASKED = ("run", "estimate", "advise", "compare", "capacity")


@pytest.mark.parametrize("asked", ASKED)
def test_an_answer_says_when_nobody_chose_the_host(asked):
    more = {"compare": ("--threads 1", "--threads 2"), "capacity": ("--max-p95-ms", "50", "--inferences", "300")}
    line = "note: x86-xeon is the default host: name yours with --host (edgetpusim parts hosts)"
    assert printed((asked, NET, *more.get(asked, ())), WIDE).count(line) == 1
    pi = ("--threads 1 --host raspberry-pi-4", "--threads 2 --host raspberry-pi-4") if asked == "compare" else (
        *more.get(asked, ()), *PI
    )  # fmt: skip
    assert "default host" not in printed((asked, NET, *pi), WIDE)


def test_a_run_says_what_the_host_takes_at_rest_and_how_many_inferences_a_pipeline_holds():
    """At rest a workstation takes 45 W and 1 W a core (its part file); in flight are rate times latency."""
    shown = printed(("run", NET, "--inferences", "20"), WIDE)
    answer = json.loads(printed(("run", NET, "--inferences", "20", "--json"), WIDE))
    assert f"{51e3 / answer['throughput_ips']:.2f} mJ │ the host at rest, 51.0 W" in shown
    assert "in flight" not in shown
    pipeline = ("run", "resnet_50_v1_224", "--mode", "pipeline", "--num-segments", "2")
    answer = json.loads(printed((*pipeline, "--json"), WIDE))
    held = answer["throughput_ips"] * answer["latency_ms"]["mean"] / 1e3
    assert re.search(rf"in flight, mean +│ +{held:.1f} +│", printed(pipeline, WIDE))
    assert 3 < held < 4
