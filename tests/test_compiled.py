"""Compiled files run from their own bytes, and say where their compute time comes from."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from hwmodels import InputError, compile_network, load_network
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.families import add_pair
from hwmodels.networks.zoo import add_network, names
from sim import Scenario, estimate, simulate

NEW = load_compiler("2021")


def test_every_real_file_runs_with_two_threads(shared_models, capsys):
    """None is skipped: plain and compiled, each from its own bytes."""
    sources: Counter[str] = Counter()
    for path in sorted(shared_models.glob("*.tflite")):
        results = simulate(Scenario(models=str(path), threads=2))
        executable = results.setup.executables[0][0]
        sources[executable.compute_source.split(" ")[0] if executable.source == "file" else "plain"] += 1
        answer = results.summary
        assert answer["throughput_ips"] > 0
        print(f"{path.name:90s} {answer['invoke_ms']['mean']:9.3f} ms {answer['throughput_ips']:8.1f} /s")
    print(sources)
    assert sources.total() == len(list(shared_models.glob("*.tflite")))
    assert sources["twin"] > sources["regression"]


@pytest.mark.parametrize(
    "name", ["mobilenet_v2_1.0_224_quant", "mobilenet_v1_0.75_192_quant", "dense_512", "yamnet_spectra_in"]
)
def test_a_compiled_file_takes_its_twin_s_time(shared_models, name):
    """The file's own instruction stream differs from the modelled one by up to 20 %, the rest is the same."""
    plain = simulate(Scenario(models=str(shared_models / f"{name}.tflite"), compiler="2020")).summary["invoke_ms"][
        "mean"
    ]
    compiled = simulate(Scenario(models=str(shared_models / f"{name}_edgetpu.tflite"))).summary["invoke_ms"]["mean"]
    assert compiled == pytest.approx(plain, rel=0.15)


@pytest.mark.parametrize(
    ("file", "network"),
    [
        ("mobilenet_v2_1.0_224_quant_edgetpu", "mobilenet_v2_1.0_224"),
        ("posenet_mobilenet_v1_075_721_1281_quant_decoder_edgetpu", "posenet_mobilenet_v1_0.75_721x1281"),
        ("bodypix_mobilenet_v1_075_512_512_16_quant_decoder_edgetpu", "bodypix_mobilenet_v1_0.75_512x512"),
    ],
)
def test_a_file_of_any_name_is_known_by_its_bytes(shared_models, tmp_path, file, network):
    alone = tmp_path / "mine.tflite"
    alone.write_bytes((shared_models / f"{file}.tflite").read_bytes())
    assert compile_network(str(alone)).compute_source == f"twin {network}"


PAIR = "gabor_64x64_p4.tflite", "gabor_64x64_p4_edgetpu.tflite"


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "data"))


@pytest.mark.usefixtures("own_folder")
def test_a_pair_that_was_added_is_known_under_any_name(shared_models, tmp_path):
    plain, twin = (shared_models / name for name in PAIR)
    alone = tmp_path / "camera_7.tflite"
    alone.write_bytes(twin.read_bytes())
    assert compile_network(str(alone)).compute_source == "regression on instruction and input bytes"
    add_pair(plain, twin, "mine")
    assert compile_network(str(alone)).compute_source == "twin mine"


@pytest.mark.usefixtures("own_folder")
def test_by_its_name_a_pair_says_that_its_file_has_its_own_times(shared_models):
    plain, twin = (shared_models / name for name in PAIR)
    add_pair(plain, twin, "mine")
    add_network(plain, "alone")
    words = "name that file for its own times"
    told = {
        name: any(words in note for note in estimate(Scenario(models=name))["warnings"]) for name in ("mine", "alone")
    }
    assert told == {"mine": True, "alone": False}


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize(
    "files, reason",
    [
        (("gabor_64x64_p4.tflite", "dense_256_edgetpu.tflite"), "not those of gabor_64x64_p4"),
        (("gabor_64x64_p4.tflite", "dense_256.tflite"), "dense_256 is not compiled"),
        ((PAIR[1], PAIR[1]), "give the plain file first"),
    ],
)
def test_files_that_are_no_pair_are_refused_and_nothing_is_kept(shared_models, files, reason):
    with pytest.raises(InputError, match=reason):
        add_pair(*(shared_models / name for name in files), "mine")
    assert "mine" not in names()


def test_intervals_are_wider_where_less_is_known(shared_models):
    def width(file):
        low, high = simulate(Scenario(models=str(shared_models / file))).summary["interval90"]["invoke_mean_ms"]
        return math.log(high / low)

    assert (
        width("dense_512_edgetpu.tflite")
        < width("voice_commands_v0.7_edgetpu.tflite")
        < width("testconv1-edgetpu.tflite")
    )
    assert NEW.twin_spread < NEW.estimate_spread < NEW.regression_spread


def test_a_compiled_program_fits_one_chip_only(shared_models):
    for size in ("small", "large"):
        with pytest.raises(InputError, match="coral"):
            compile_network(shared_models / "dense_512_edgetpu.tflite", size)


def test_the_regression_is_the_zoo_s(capsys):
    """Fit the powers of instruction and input bytes anew; the constants are that fit's, rounded."""
    rows, cycles, part = [], [], load_accelerator("coral")
    for name in names():
        executable = compile_network(load_network(name), part)
        total = sum(step.cycles for segment in executable.accelerator_segments for step in segment.steps)
        if total > 1000:
            rows.append([math.log(executable.total("instruction_bytes")), math.log(executable.total("input_bytes")), 1])
            cycles.append(math.log(total))
    powers, *_ = np.linalg.lstsq(np.array(rows), np.array(cycles), rcond=None)
    print(powers, np.std(np.array(cycles) - np.array(rows) @ powers))
    assert powers[:2] == pytest.approx([NEW.regression_instruction_power, NEW.regression_input_power], abs=0.15)
    shipped = np.array([NEW.regression_instruction_power, NEW.regression_input_power, math.log(NEW.regression_factor)])
    assert np.std(np.array(cycles) - np.array(rows) @ shipped) < NEW.regression_spread
