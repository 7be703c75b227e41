"""Networks by name: where a name is looked up, what is kept of the user's own, and what is told for a wrong one."""

from __future__ import annotations

import pytest
from layers import chain, conv, dense

from calibration.harness.tflite_writer import model_bytes
from hwmodels.errors import InputError
from hwmodels.networks.graph import graph_hash
from hwmodels.networks.zoo import add_network, data_folder, load_network, names, remove_network, user_folder


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(model_bytes(chain("mine", conv(8, 3, 4), dense(256, 10))))
    return path


def test_shipped_networks_are_there():
    assert len(names()) > 200
    assert {"mobilenet_v2_1.0_224", "inception_v3_299", "resnet_50_v1_224"} <= set(names())
    assert (data_folder("zoo") / "mobilenet_v2_1.0_224.json").is_file()
    assert data_folder("profiles").is_dir()


def test_a_network_of_one_s_own_is_kept_and_found_by_name(file, own_folder):
    graph, path = add_network(file)
    assert path == own_folder / "zoo" / "mine.json" == user_folder() / "mine.json"
    assert "mine" in names()
    assert graph_hash(load_network("mine")) == graph_hash(graph)
    assert [p.name for p in path.parent.iterdir()] == ["mine.json"]


def test_a_name_that_exists_is_replaced_only_when_told(file):
    add_network(file, "other")
    with pytest.raises(InputError, match="--replace"):
        add_network(file, "other")
    assert add_network(file, "other", replace=True)[1].is_file()
    with pytest.raises(InputError, match="--replace"):
        add_network(file, "mobilenet_v2_1.0_224")


def test_what_is_remembered_of_a_name_is_what_lies_there_now(tmp_path, monkeypatch):
    """Another folder, a file that another process put there, one that it replaced: none is taken for the one before."""
    files = [tmp_path / f"{channels}.tflite" for channels in (4, 8)]
    graphs = [chain("mine", conv(8, 3, int(file.stem)), dense(64 * int(file.stem), 10)) for file in files]
    for file, graph in zip(files, graphs, strict=True):
        file.write_bytes(model_bytes(graph))
    small, wide = map(graph_hash, (load_network(str(file)) for file in files))

    with pytest.raises(InputError):
        load_network("resnet")  # of which sort is not said
    add_network(files[0], "resnet")
    assert graph_hash(load_network("resnet")) == small
    first = user_folder() / "resnet.json"
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "another"))
    with pytest.raises(InputError):
        load_network("resnet")
    add_network(files[1], "resnet")
    assert graph_hash(load_network("resnet")) == wide
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "data"))
    assert graph_hash(load_network("resnet")) == small
    (first.parent / "new").write_text((tmp_path / "another" / "zoo" / "resnet.json").read_text())
    (first.parent / "new").replace(first)
    assert graph_hash(load_network("resnet")) == wide


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 300, "tab\tbed", "back\\slash"])
def test_a_name_that_is_no_file_name_is_refused(file, name):
    with pytest.raises(InputError, match="the name of zoo add"):
        add_network(file, name)


def test_a_folder_that_cannot_be_written_is_one_line(file, tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("a file")
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "blocked"))
    with pytest.raises(InputError, match="folder that can be written"):
        add_network(file)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mobilenet_v2_1.0_225", "did you mean 'mobilenet_v2_1.0_224'"),
        ("MOBILENET-V2-1.0-225_quant", "did you mean 'mobilenet_v2_1.0_224'"),
        ("voice_commands_v0.8_edgetpu", "a speech network without published layers"),
        ("YOLOv8", "yolov8n_640"),
        ("mobilenet_v2_1.0_224_quant_edgetpu.tflite", "did you mean the network 'mobilenet_v2_1.0_224'"),
        ("zzzzzz", "zoo list"),
        ("../secret", ""),
        ("no/such/file.tflite", ""),
        ("x" * 5000, "zoo list"),
    ],
)
def test_an_unknown_network_is_told_with_the_nearest(name, hint):
    with pytest.raises(InputError) as error:
        load_network(name)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_read_by_its_path(file):
    assert load_network(str(file)).name == "mine"


def test_a_network_of_one_s_own_can_be_forgotten(tmp_path, monkeypatch, shared_models):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path))
    plain = next(path for path in sorted(shared_models.rglob("*.tflite")) if "edgetpu" not in path.name)
    add_network(plain, "mine")
    assert "mine" in names()
    remove_network("mine")
    assert "mine" not in names()
    with pytest.raises(InputError, match="none was added"):
        remove_network("mine")
    with pytest.raises(InputError, match="is a shipped network"):
        remove_network("mobilenet_v2_1.0_224")
