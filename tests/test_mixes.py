"""Tables of measured mixes: against the measurement, against queueing theory, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.mixes import Service, mix_answers, mix_tables, read_services
from calibration.setups import Parts
from calibration.shipped import dataset_path
from calibration.validation import validate
from hwmodels.errors import InputError

HEADER = "mix,load,network,rate_per_s,requests,mean_ms,p95_ms\n"
NETWORK = "mobilenet_v1_1.0_224"


def table(folder, *lines):
    path = folder / "mixes.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def mean_error(answer, metric):
    errors = [abs(row["error"]) for row in answer["rows"] if row["metric"] == metric]
    assert len(errors) == 10
    return sum(errors) / len(errors)


@pytest.mark.parametrize(("services", "most"), [("ibis_services", 0.06), ("", 0.12)])
def test_responses_of_two_networks_on_one_stick(services, most):
    answer = validate(["ibis_mixes"], services=services)
    assert answer["skipped_rows"] == 0
    assert mean_error(answer, "mean_ms") <= most
    assert mean_error(answer, "p95_ms") <= 0.15


def test_the_closed_form_of_measured_mixes():
    rows = [row for path in mix_tables() for row in mix_answers(path, Parts()) if row["metric"] == "mean_ms"]
    errors = [abs(row["estimated"] / row["measured"] - 1) for row in rows]
    assert sum(errors) / len(errors) <= 0.12


def test_one_network_waits_as_pollaczek_and_khinchine_say(tmp_path):
    """M/D/1: mean response is S + rho S / (2 (1 - rho))."""
    path = table(tmp_path, f"one,0.5,{NETWORK},50,20000,15,20")
    mean = mix_answers(path, Parts(), {NETWORK: Service(10.0, 3.0)})[0]
    assert mean["predicted"] == pytest.approx(10 + 0.5 * 10 / (2 * 0.5), rel=0.02)
    assert mean["lo90"] < mean["predicted"] < mean["hi90"]


def test_what_a_network_takes_more_after_another(tmp_path):
    """At rates at which nobody waits, every request of two alike networks is preceded by the other's half the time."""
    other = "mobilenet_v2_1.0_224"
    path = table(tmp_path, f"two,0.01,{NETWORK},0.05,4000,15,20", f"two,0.01,{other},0.05,4000,15,20")
    rows = mix_answers(path, Parts(), {NETWORK: Service(10.0, 4.0), other: Service(10.0, 4.0)})
    for row in (row for row in rows if row["metric"] == "mean_ms"):
        assert row["predicted"] == pytest.approx(12, rel=0.02)


def test_what_cannot_be_predicted_is_skipped_with_the_reason(tmp_path):
    unknown = mix_answers(table(tmp_path, "a,1,no_such_network,1,9,15,20"), Parts())
    assert {row["skipped"] for row in unknown} == {"network not in the zoo"}
    twice = mix_answers(table(tmp_path, f"a,1,{NETWORK},1,9,15,20", f"a,1,{NETWORK},1,9,15,20"), Parts())
    assert {row["skipped"] for row in twice} == {"a network stands twice in one load"}
    no_time = mix_answers(table(tmp_path, f"a,1,{NETWORK},1,9,15,20"), Parts(), {})
    assert {row["skipped"] for row in no_time} == {f"no service time of {NETWORK}"}


def test_bad_tables_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="rate_per_s must be a number above 0, not 'many'"):
        mix_answers(table(tmp_path, f"a,1,{NETWORK},many,9,15,20"), Parts())
    bad = tmp_path / "services.csv"
    bad.write_text("network,service_ms\nx,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column switch_ms"):
        read_services(bad)
    with pytest.raises(InputError, match="acts on tables of mixes alone"):
        validate(["google_reference"], services="ibis_services")


def test_a_table_of_mixes_is_found_by_its_name():
    assert dataset_path("ibis_mixes") == dataset_path("ibis_mixes.csv") == mix_tables()[0]
    assert Path(mix_tables()[0]).is_file()
