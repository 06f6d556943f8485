"""One stored sample of each version of each file format: what was written then is read now."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from search.bundle import Latency, LimitAnswer, Prediction, Report, Spread, TargetAnswer
from search.graph import Candidate, Selection
from search.surgery import load_subnet

ASSETS = Path(__file__).parent / "assets"


def read(name: str) -> Any:
    return json.loads((ASSETS / name).read_text())


def test_a_candidate_of_format_1() -> None:
    candidate = Candidate.from_json(read("candidate.json"))
    assert candidate.to_json() == read("candidate.json")
    assert candidate.dims == {"stem.weight:0": 2, "one.a.weight:0": 3}
    assert candidate.removed == {"two"}
    assert candidate.digest == "5b6090441f9a3169", "the name under which scores and timings are stored must not change"


def test_a_selection_of_format_1() -> None:
    selection = Selection.from_json(read("selection.json"))
    assert selection.to_json() == read("selection.json")
    assert selection.candidate == Candidate.from_json(read("candidate.json"))
    assert [len(rows) for rows in selection.keep.values()] == [1, 1]


def test_a_subnet_of_format_1_computes_what_it_computed() -> None:
    subnet = load_subnet(ASSETS)
    x = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8) / 100
    with torch.no_grad():
        assert torch.allclose(subnet(x), torch.tensor(read("outputs.json")), rtol=1e-4, atol=1e-5)


def test_a_subnet_of_format_2_says_what_follows_the_mode_and_what_is_not_trained() -> None:
    subnet, x = load_subnet(ASSETS / "format_2"), torch.arange(6.0).reshape(2, 3)
    with torch.no_grad():
        assert torch.allclose(subnet(x), torch.tensor(read("format_2/outputs.json")), rtol=1e-4, atol=1e-5)
        before = subnet.n.running_mean.clone()  # type: ignore[operator, union-attr]
        outputs = [subnet.train()(x) for _ in range(8)]
    assert any(not torch.equal(outputs[0], other) for other in outputs), "dropout follows the mode"
    assert torch.equal(subnet.n.running_mean, before), "the normalisation does not"  # type: ignore[union-attr, arg-type]
    assert {name for name, value in subnet.named_parameters() if not value.requires_grad} == {"n.weight"}


def test_a_report_of_format_1_has_one_target_and_its_limit() -> None:
    report = Report.from_json(read("report.json"))
    assert report.targets == (
        TargetAnswer(
            "met",
            "cpu-onnxruntime-fp32-b1-t1",
            budget_s=0.00092,
            latency_s=Latency(Spread(0.00184, 0.0018032, 0.0018768), Spread(0.00087, 0.00085434, 0.00088566)),
            ratio=Spread(0.47282608695652173, 0.467152174, 0.4785),
            predicted_s=Prediction(0.000875, 0.00085, 0.000902),
        ),
    )
    assert report.limits == (LimitAnswer("latency", "met", 0.00092, 0.00184, 0.00087),)
    assert report.search is not None
    assert [trial.objective for trial in report.search.trials] == [0.25734, 0.29858, None]
    assert report.to_json() == read("format_2/report.json")


def test_a_report_of_format_2() -> None:
    report = Report.from_json(read("format_2/report.json"))
    assert report.to_json() == read("format_2/report.json")
    assert report == Report.from_json(read("report.json"))


@pytest.mark.parametrize(("kind", "name"), [(Candidate, "candidate.json"), (Selection, "selection.json")])
def test_another_format_is_refused(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match="holds format 2"):
        kind.from_json({**read(name), "format": 2})
