"""Names as people write them lead to the same answers, whatever a set-up does with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hwmodels import parts
from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.networks.zoo import canonical_name, load_network
from hwmodels.parts import aliases, meant_name, part_names
from sim import Scenario, advise, estimate, simulate

PAIRS = (("yolov8n", "yolov8n_320"), ("efficientdet-lite0", "efficientdet_lite0_320"))
WAYS = (
    {}, {"mode": "processes", "threads": 2}, {"mode": "pipeline", "accelerators": 2}, {"mode": "coexec", "threads": 2},
    {"accelerators": 0},
)  # fmt: skip


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize(("written", "meant"), PAIRS)
def test_an_everyday_name_is_its_network_in_every_mode(written, meant, options):
    one, other = (simulate(Scenario(models=name, **options)).summary for name in (written, meant))
    assert one["models"] == other["models"]
    assert next(iter(one["models"])) == meant
    closed = [estimate(Scenario(models=name, **options)) for name in (written, meant)]
    assert closed[0]["models"].keys() == closed[1]["models"].keys() == one["models"].keys()


SPOKEN = {
    "mobile det": "ssdlite_mobiledet_320", "Mobile-Det": "ssdlite_mobiledet_320", "yolo v8 n": "yolov8n_320",
    "YOLOv8 nano": "yolov8n_320", "yolo8n": "yolov8n_320", "YOLO 8 Small 640": "yolov8s_640",
    "yolov5 medium 640": "yolov5m_640", "YOLO v9 tiny": "yolov9t_640", "Efficient Det Lite 2": "efficientdet_lite2_448",
    "mobile net v2 224": "mobilenet_v2_1.0_224", "ssd mobile net v2": "ssd_mobilenet_v2_coco_300", "yolox nano": "yolox_nano_416",
}  # fmt: skip


@pytest.mark.parametrize(("spoken", "meant"), SPOKEN.items())
def test_a_spoken_name_is_its_network(spoken, meant):
    """Words in pieces, sizes spelled out, a version without its letter."""
    assert canonical_name(spoken) == meant


@pytest.mark.parametrize(("written", "first"), [
    ("MobileNetV3", "mobilenet_v3"), ("MobileNetSSD", "ssd_mobilenet"), ("efficientdet", "efficientdet_lite0_320"),
    ("resnet", "resnet_"), ("mobilenet", "mobilenet_"), ("inception", "inception_v1"), ("pose net", "posenet_"),
])  # fmt: skip
def test_a_name_of_several_is_answered_with_some_of_them(written, first):
    """Law: what is offered has every word that was given."""
    with pytest.raises(InputError) as error:
        load_network(written)
    offered = re.findall(r"'(.+?)'", error.value.hint)
    assert len(offered) == 3 and offered[0].startswith(first)
    assert all(canonical_name(name) == name for name in offered)


def test_an_everyday_name_is_advised_as_its_network():
    one, other = (advise(Scenario(models=name, host="pi4")) for name in ("mobilenetv2", "mobilenet_v2_1.0_224"))
    assert [(row["change"], row["gain"]) for row in one["steps"]] == [
        (row["change"], row["gain"]) for row in other["steps"]
    ]


@pytest.mark.parametrize(("kind", "written", "meant"), [
    ("host", "pi4", "raspberry-pi-4"), ("host", "rpi5", "raspberry-pi-5"), ("host", "Pi 5", "raspberry-pi-5"),
    ("host", "raspberry_pi_4", "raspberry-pi-4"), ("host", "Raspberry Pi 3B+", "raspberry-pi-3b-plus"),
    ("host", "cm4", "raspberry-pi-cm4"), ("host", "Coral Dev Board", "dev-board"), ("host", "rpi3", "raspberry-pi-3b"),
    ("host", "Jetson Nano", "jetson-nano"), ("link", "USB 3.0", "usb3"), ("link", "PCI-e", "pcie"),
    ("host", "n100", "mini-pc-n100"), ("host", "NUC", "nuc-i5"), ("host", "zero2w", "raspberry-pi-zero-2w"),
    ("host", "Raspberry Pi Zero 2 W", "raspberry-pi-zero-2w"), ("host", "Rock 3A", "rock-3a"), ("host", "jetson", "jetson-nano"),
    ("host", "m1", "apple-m1"), ("host", "MacBook Air", "apple-m1"), ("host", "Jetson Nano 5W", "jetson-nano-5w"),
    ("accelerator", "Coral", "coral"), ("host", "pi", "pi"), ("host", "./pi4", "./pi4"), ("host", "pi4.toml", "pi4.toml"),
])  # fmt: skip
def test_parts_are_found_as_people_write_them(kind, written, meant):
    assert meant_name(kind, written) == meant


@pytest.mark.parametrize(("written", "words"), [
    ("orin nano", "'raspberry-pi-5' comes nearest"), ("Mac Mini", "'apple-m1' comes nearest"), ("toaster", "measure --host-only"),
    ("raspbery pi 4", "did you mean 'raspberry-pi-4'"), ("i7", "'nuc-i5' comes nearest"),
])  # fmt: skip
def test_a_host_that_is_not_known_is_answered_with_a_way_on(written, words):
    with pytest.raises(InputError, match=words):
        load_host(written)


def test_what_a_host_resembles_is_no_name_of_another():
    """Law: machines that are not known mean no host, and every one is listed once."""
    rows = [
        parts.label("host", name, "resembles") for name in part_names("host") if not parts.label("host", name, "base")
    ]
    listed = [text.strip() for row in rows for text in row.split(",") if text.strip()]
    assert listed and [meant_name("host", text) for text in listed] == listed
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("kind", ["accelerator", "host", "link"])
def test_a_part_s_own_name_means_itself(kind):
    assert [meant_name(kind, name) for name in part_names(kind)] == part_names(kind)


@pytest.mark.parametrize(("alias", "name"), aliases("host").items())
def test_a_short_name_of_a_host_s_file_means_that_host(alias, name):
    assert meant_name("host", alias) == name
    assert meant_name("host", alias.upper()) == name


def test_no_two_hosts_have_one_short_name():
    files = [(Path(parts.__file__).parent / "hosts" / f"{name}.toml").read_text() for name in part_names("host")]
    written = [re.search(r'^aliases = "(.*)"', text, re.MULTILINE) for text in files]
    texts = [alias.strip() for found in written if found for alias in found[1].split(",")]
    assert sorted(texts) == sorted(aliases("host"))


@pytest.mark.parametrize(("host", "link"), [
    ("x86-desktop", "usb3"), ("raspberry-pi-4", "usb3"), ("raspberry-pi-3b", "usb2"), ("orange-pi-6-plus", "pcie"),
    ("raspberry-pi-cm4", "pcie"), ("no-such-host", "usb3"),
])  # fmt: skip
def test_a_host_is_used_over_a_link_that_it_has(host, link):
    assert Scenario(models="mobilenet_v2_1.0_224", host=host).link == link
    assert Scenario(models="mobilenet_v2_1.0_224", host=host, link="usb2").link == "usb2"


@pytest.mark.parametrize("host", part_names("host"))
def test_every_host_works_with_no_more_than_its_name(host):
    """On an accelerator of the kind that it has, on the CPU alone, and with another size."""
    size = "dpu-b4096" if host in ("kv260", "ultra96", "zcu102", "zcu104") else "coral"
    scenario = Scenario(models="mobilenet_v1_0.25_128", host=host, size=size)
    for options in ({}, {"size": "dpu-b1600" if size != "coral" else "small"}):
        assert estimate(scenario.with_options(**options))["throughput_ips"] > 0
    assert estimate(Scenario(models="mobilenet_v1_0.25_128", host=host, accelerators=0))["throughput_ips"] > 0
