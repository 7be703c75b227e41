"""What a machine says of itself."""

import pytest

from calibration.harness.machine import board_id, environment, host_text, runtime_clock
from hwmodels.host import load_host


@pytest.mark.parametrize(
    ("text", "is_32bit", "part"),
    [
        ("Raspberry Pi 4 Model B Rev 1.1, 4 cores, aarch64", False, "raspberry-pi-4"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", True, "raspberry-pi-3b-plus-32bit"),
        ("Raspberry Pi Compute Module 4 Rev 1.0", False, "raspberry-pi-cm4"),
        ("NVIDIA Jetson Nano Developer Kit", True, "jetson-nano"),
        ("Some Xeon, 8 cores, x86_64", False, ""),
    ],
)
def test_boards_are_known_by_what_they_call_themselves(text, is_32bit, part):
    assert board_id(text, is_32bit) == part
    assert not part or load_host(part).name == part


def test_the_installed_runtime_tells_the_clock(tmp_path):
    assert runtime_clock(tmp_path) == ""
    (tmp_path / "libedgetpu1-std:arm64.list").touch()
    assert runtime_clock(tmp_path) == "std"
    (tmp_path / "libedgetpu1-max.list").touch()
    assert runtime_clock(tmp_path) == ""


def test_the_environment_is_told_as_text():
    assert environment()["python"].count(".") == 2
    assert "cores" in host_text()
