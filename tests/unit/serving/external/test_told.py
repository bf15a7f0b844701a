"""An engine's metrics in our words."""

import pytest

from modelwright.core.ports.external.servers import MetricNames
from modelwright.serving.external.told import Told, told_by

VLLM = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0"} 0.25
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{engine="0"} 17.0
"""
NAMES = MetricNames(
    running="vllm:num_requests_running",
    waiting="vllm:num_requests_waiting",
    cache="vllm:kv_cache_usage_perc",
    tokens_out="vllm:generation_tokens_total",
)


def test_what_it_tells_is_summed_and_what_it_does_not_tell_is_not_made_up() -> None:
    assert told_by(VLLM, NAMES) == Told(running=5.0, cache=0.25, tokens_out=17.0)


def test_a_text_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own words
        told_by("what is this {", NAMES)
