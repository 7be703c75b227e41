"""The microbenchmarks: networks that grow by one operator."""

import pytest

from calibration.harness.microbench import CHAINS, MICROBENCHES, export, micro_network, table_markdown
from hwmodels.errors import InputError


def test_the_table_names_every_series_and_its_reason():
    text = table_markdown()
    assert text.count("\n") == len(MICROBENCHES) + 2
    assert all(bench.reason in text and len(bench.networks) > 1 for bench in MICROBENCHES)


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_grows_by_its_operator_alone(kind):
    one, three = (micro_network(f"micro_{kind}_s32_c16_n{count}") for count in (1, 3))
    step = (len(three.layers) - len(one.layers)) / 2
    assert step in (1, 2)
    assert one.inputs[0].shape == three.inputs[0].shape == (1, 2, 2, 3)
    assert one.outputs[0].n_elements == three.outputs[0].n_elements <= 4


@pytest.mark.parametrize("name", ["micro_fft_s8_c8_n1", "micro_add_s9999_c8_n1", "micro_add_s8_c8_n0"])
def test_microbenchmarks_that_are_none_are_refused(name):
    with pytest.raises(InputError):
        micro_network(name)


def test_a_name_outside_the_table_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match="did you mean"):
        export(tmp_path, ["stride64x64"])
