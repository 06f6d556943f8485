from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import PRECISION_NAMES, RUNTIMES, Target

OPTIONS = frozenset({"a", "layout", "spin_us"})

targets = st.builds(
    Target,
    runtime=st.sampled_from(sorted(RUNTIMES)),
    device=st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True),
    precision=st.sampled_from(PRECISION_NAMES),
    batch=st.integers(1, 4096),
    threads=st.integers(1, 256),
    options=st.dictionaries(st.sampled_from(sorted(OPTIONS)), st.from_regex(r"[a-z0-9_.]{1,6}", fullmatch=True)).map(
        lambda options: tuple(options.items())
    ),
)


def test_slug() -> None:
    assert Target(runtime="onnxruntime").slug == "cpu-onnxruntime-fp32-b1-t1"
    assert str(Target("null", batch=8, threads=2)) == "cpu-null-fp32-b8-t2"


@given(st.data())
def test_slug_round_trip(data: st.DataObject) -> None:
    with mock.patch.dict(RUNTIMES, {name: replace(row, options=OPTIONS) for name, row in RUNTIMES.items()}):
        target = data.draw(targets)
        assert Target.parse(target.slug) == target
        assert target.slug == target.slug.lower()


def test_equal_options_in_any_order_are_equal_targets() -> None:
    with mock.patch.dict(RUNTIMES, {"null": replace(RUNTIMES["null"], options=OPTIONS)}):
        one, other = (
            Target("null", options=pairs) for pairs in ((("a", "1"), ("layout", "x")), (("layout", "x"), ("a", "1")))
        )
        assert one == other
        assert one.slug == "cpu-null-fp32-b1-t1-a=1-layout=x"


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "cpu",
        "cpu-null-fp32-b1",
        "cpu-null-fp32-t1-b1",
        "cpu-null-fp32-b0-t1",
        "cpu-null-fp32-b01-t1",
        "cpu-null-fp32-b1-t",
        "CPU-null-fp32-b1-t1",
        "cpu-null-fp32-b1-t1-",
        "cpu-null-fp32-b1-t1-a",
        "cpu-null-fp32-b1-t1-a=1=2",
        "-null-fp32-b1-t1",
        "cpu-null-fp32-b1-t1\n",
    ],
)
def test_parse_refuses(slug: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.parse(slug)


def test_near_match_is_named() -> None:
    with pytest.raises(ValueError, match="did you mean 'onnxruntime'"):
        Target(runtime="onnxruntme")
    with pytest.raises(ValueError, match="did you mean 'fp32'"):
        Target(runtime="null", precision="fp_32")


@pytest.mark.parametrize("count", [0, -1, True, 1.0, "1"])
def test_counts_are_checked(count: object) -> None:
    with pytest.raises(ValueError, match="batch"):
        Target("null", batch=count)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads"):
        Target("null", threads=count)  # type: ignore[arg-type]


def test_unknown_option_names_the_rule() -> None:
    with pytest.raises(ValueError, match=r"must be one that the runtime knows.*provider for 'onnxruntime'.*'spin'"):
        Target.parse("cpu-onnxruntime-fp32-b1-t1-spin=1")


def test_options_are_given_once_with_legal_values() -> None:
    with mock.patch.dict(RUNTIMES, {"null": replace(RUNTIMES["null"], options=OPTIONS)}):
        with pytest.raises(ValueError, match="once"):
            Target("null", options=(("a", "1"), ("a", "2")))
        with pytest.raises(ValueError, match="option 'a' has 'X-1'"):
            Target("null", options=(("a", "X-1"),))
