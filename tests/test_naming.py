"""Names as people write them: the names of the measurement files lead to the network they mean, or to none.

``names.csv`` lists them with the file each stands in and the network that was read from its source; ``<F>`` stands for
a number and ``*`` for anything, in sweeps of many names.
"""

import csv
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.setups import network_of
from calibration.shipped import load_dataset
from hwmodels.errors import InputError
from hwmodels.networks import zoo
from hwmodels.networks.generated import is_generated
from hwmodels.networks.graph import graph_hash
from hwmodels.networks.naming import Alias, pieced
from hwmodels.networks.zoo import aliases, canonical_name, load_network

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT / "traces" / "zoo"
MEASUREMENTS = ROOT.parent / "shared" / "data" / "edgetpu"
NAMES = Path(__file__).with_name("names.csv")
SHIPPED = sorted(path.stem for path in ZOO.glob("*.json"))
needs_measurements = pytest.mark.skipif(not MEASUREMENTS.is_dir(), reason="the measurement files are not at hand")

#: Columns of the measurement files that name a network, and those that give the path of its file.
COLUMNS, PATHS = ("model", "model_file", "network", "name"), ("path", "plain_path")


def listed() -> list[dict[str, str]]:
    with NAMES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def networks() -> dict[str, str]:
    return {row["name"]: row["network"] for row in listed()}


def resolved(name: str) -> str:
    """The network that a name leads to, or nothing."""
    try:
        return load_network(canonical_name(name)).name
    except InputError:
        return ""


def measured() -> set[str]:
    names: set[str] = set()
    for path in sorted(MEASUREMENTS.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                names.update(row.get(column) or "" for column in COLUMNS)
                names.update((row.get(column) or "").rsplit("/", 1)[-1] for column in PATHS)
    return names - {""}


def expected(name: str) -> str | None:
    """What the list says of a name: its network, nothing for none, None where the name is not in it."""
    if name in networks():
        return networks()[name]
    sweeps = {row: network for row, network in networks().items() if re.search("[<*]", row)}
    targets = [Alias(row, network, "").target(name) for row, network in sweeps.items() if "<" in row]
    targets += [network for row, network in sweeps.items() if fnmatchcase(name, row)]
    return next((target for target in targets if target is not None), None)


def test_every_listed_name_leads_to_its_network_and_no_other() -> None:
    single = [row for row in listed() if not re.search(r"[<*]", row["name"])]
    wrong = {row["name"]: resolved(row["name"]) for row in single if resolved(row["name"]) != row["network"]}
    assert wrong == {}
    assert [name for row in single if canonical_name(name := canonical_name(row["name"])) != name] == []
    assert sum(bool(row["network"]) for row in single) > 450


def test_names_without_a_network_have_a_reason() -> None:
    assert [row["name"] for row in listed() if not row["network"] and not row["note"]] == []
    assert [alias.alias for alias in aliases() if not alias.name and not alias.note] == []


@needs_measurements
def test_every_measured_name_is_listed_and_leads_where_the_list_says() -> None:
    wrong = {name: (expected(name), resolved(name)) for name in measured() if expected(name) != resolved(name)}
    assert wrong == {}


@pytest.mark.parametrize(
    "alias", [row for row in aliases() if row.name and "<" not in row.alias], ids=lambda a: a.alias
)
def test_an_alias_is_needed_and_leads_to_a_network(
    alias: Alias, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert resolved(alias.alias) == resolved(alias.name) == alias.name
    assert graph_hash(load_network(alias.alias)) == graph_hash(load_network(alias.name))
    others = tuple(row for row in aliases() if row != alias)
    monkeypatch.setattr(zoo, "aliases", lambda: others)
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path))  # with a network of its own: nothing is remembered
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "another.json").touch()
    assert canonical_name(alias.alias) != alias.name, "the rule does it without this row"


WRITTEN = (
    str.upper,
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", " ").title(),
    "{}_quant_edgetpu".format,
    "{}_int8".format,
    "tf2_{}_ptq_edgetpu".format,
    "{}_quant_2018_06_29".format,
    lambda name: re.sub(r"_([1-9]\d\d)(?=_|$)", r"_\1x\1", name),
    lambda name: name.replace("_v1", "v1").replace("_v2", "v2").replace("_v3", "v3"),
    lambda name: "_".join(reversed(name.split("_"))) if name.count("no_post") == 0 else name,
)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_zoo_name_may_be_written_in_many_ways(name: str) -> None:
    assert {canonical_name(write(name)) for write in WRITTEN} == {name}


@pytest.mark.parametrize("word", ["pruned", "head", "v9", "7", "lstm", "wo_fc", "segment_0_of_2"])
def test_one_unknown_word_makes_a_name_unknown(word: str) -> None:
    known = [name for name in SHIPPED if canonical_name(f"{name}_{word}") in SHIPPED]
    assert [name for name in known if "segment" not in word or not name.startswith("ssd_mobilenet")] == []


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("MobileNetV2", "mobilenet_v2_1.0_224"),
        ("MobileNet V1 0.25 128", "mobilenet_v1_0.25_128"),
        ("ResNet-50", "resnet_50_v1_224"),
        ("ResNet152 V2", "resnet_152_v2_224"),
        ("EfficientNetB0", "efficientnet_b0_224"),
        ("EfficientDet-Lite2", "efficientdet_lite2_448"),
        ("EfficientNet-Lite4_int8", "efficientnet_lite4_300"),
        ("SSD MobileNet V2", "ssd_mobilenet_v2_coco_300"),
        ("SSDLite MobileDet", "ssdlite_mobiledet_320"),
        ("DenseNet-121", "densenet_121_224"),
        ("Inception-ResNet-v2", "inception_resnet_v2_299"),
        ("movenet_single_pose_thunder_ptq", "movenet_thunder_256"),
        ("MobileNetEdgeTPU", "mobilenet_edgetpu_1.0_224"),
        ("GoogLeNet", "inception_v1_224"),
        ("YOLOv11n_320", "yolo11n_320"),
        ("yolov7-tiny", "yolov7_tiny_640"),
        ("posenet_resnet_50_416_288_16_quant_edgetpu_decoder.tflite", "posenet_resnet_50_s16_288x416"),
        ("posenet_resnet_50_768_496_32_quant_edgetpu_decoder", "posenet_resnet_50_s32_496x768"),
    ],
)
def test_names_of_papers_and_download_pages(name: str, network: str) -> None:
    assert canonical_name(name) == network


@pytest.mark.parametrize(
    "name", ["mobilenet_edgetpu_v2_224", "mobilenet_224_quant_edgetpu", "yolov8", "inception", "ssd"]
)
def test_names_that_mean_no_network_or_several(name: str) -> None:
    assert resolved(name) == ""
    with pytest.raises(InputError):
        load_network(name)


@given(
    st.lists(
        st.sampled_from(["padding", "64x64", "2", "v2", "50", "lite", "0", "224", "n", "8"]), min_size=1, max_size=5
    )
)
def test_numbers_that_somebody_wrote_apart_are_never_one(words):
    numbers = re.findall(r"\d+", "_".join(words))
    for spelling in pieced("_".join(words)):
        found = re.findall(r"\d+", spelling)
        assert all(number in numbers for number in found)


def test_rows_of_a_generated_family_lead_to_the_network_that_they_name():
    """The input's size that a row gives beside its name is no part of the name: ``padding_64x64`` with 2 x 2."""
    rows = [row for name in ("jetson_nano_layers", "small_sources") for row in load_dataset(name)]
    named = [row for row in rows if is_generated(row.model)]
    assert len(named) > 100
    assert {network_of(row).name for row in named} == {row.model for row in named}
