"""Networks by name: where a name is looked up, what is kept of the user's own, and what is told for a wrong one."""

from __future__ import annotations

import pytest
from layers import chain, conv, dense

from calibration.harness.tflite_writer import model_bytes
from hwmodels import compile_network, load_part
from hwmodels.accelerator import load_accelerator
from hwmodels.errors import InputError
from hwmodels.generated import generate
from hwmodels.graph import graph_hash
from hwmodels.zoo import add_network, aliases, canonical_name, data_folder, load_network, names, user_folder


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


def test_every_alias_leads_to_a_network():
    shipped = set(names())
    assert all(name in shipped or generate(name) for name in aliases().values())
    assert canonical_name("no such alias") == "no such alias"


def test_an_alias_is_the_network_it_stands_for():
    alias, name = next(iter(aliases().items()))
    assert graph_hash(load_network(alias)) == graph_hash(load_network(name))


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


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 300, "tab\tbed", "back\\slash"])
def test_a_name_that_is_no_file_name_is_refused(file, name):
    with pytest.raises(InputError, match="zoo add: name"):
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
        ("MOBILENET_V2_1.0_224", "did you mean 'mobilenet_v2_1.0_224'"),
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


# The package's functions that belong to no single part


def test_a_network_is_compiled_by_graph_name_or_path(file):
    by_path, by_graph = compile_network(file), compile_network(load_network(str(file)))
    assert by_path.token == by_graph.token
    by_part = compile_network("mobilenet_v2_1.0_224", load_accelerator("small"))
    assert by_part.token == compile_network("mobilenet_v2_1.0_224", "small").token


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("gpu", "x", "accelerator, link, host"),
        ("link", "usb", "did you mean"),
        ("host", "raspberry-pi-44", "did you mean 'raspberry-pi-4'"),
        ("accelerator", "no/such.toml", "No such file"),
    ],
)
def test_a_wrong_part_is_told_with_what_there_is(kind, name, message):
    with pytest.raises(InputError, match=message):
        load_part(kind, name)


def test_an_unknown_generation_or_size_is_refused():
    with pytest.raises(InputError, match="--compiler"):
        compile_network("mobilenet_v2_1.0_224", compiler="1999")
    with pytest.raises(InputError, match="did you mean 'large'"):
        compile_network("mobilenet_v2_1.0_224", "largee")
