"""Part files: every number has a source, and every mistake has its own line."""

from __future__ import annotations

import pytest

from hwmodels import InputError, load_part
from hwmodels.parts import part_names

KINDS = ("accelerator", "link", "host")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in part_names(kind)])
def test_every_shipped_number_has_a_source_and_a_sane_spread(kind, name):
    part = load_part(kind, name)
    assert part.name == name
    for key, quantity in part.quantities.items():
        assert len(quantity.source) > 5, key
        if quantity.range and not isinstance(quantity.value, list):
            assert quantity.range[0] <= quantity.value <= quantity.range[1], f"{name}: {key}"


def test_a_part_takes_over_what_it_does_not_say(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 4e8, status = "assumed", source = "a what-if" }\n'
    )
    mine, coral = load_part("accelerator", path), load_part("accelerator", "coral")
    assert (mine.clock_hz, mine.tiles, mine.root) == (4e8, coral.tiles, "coral")
    assert mine.digest != coral.digest


GOOD = '{ value = 1, status = "assumed", source = "test" }'
BAD = {
    "not toml at all": "TOML",
    'kind = "host"\nbase = "coral"': 'kind = "accelerator"',
    f'kind = "accelerator"\nbase = "coral"\nclock_mhz = {GOOD}': "did you mean 'clock_hz'?",
    f'kind = "accelerator"\nbase = "korall"\nclock_hz = {GOOD}': "did you mean 'coral'?",
    f'kind = "accelerator"\nclock_hz = {GOOD}': "no number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = 5': "value",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = "5 GHz", status = "assumed", source = "x" }': "a number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = -1, status = "assumed", source = "x" }': "a number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = nan, status = "assumed", source = "x" }': "a number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 1, status = "guess", source = "x" }': "measured",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 1, status = "assumed" }': "source",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 1, status = "assumed", source = "x", unit = "Hz" }': "unknown key",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_part_file_says_where_and_what(tmp_path, text):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_part("accelerator", path)
    assert BAD[text] in str(error.value)
    assert "\n" not in str(error.value)
