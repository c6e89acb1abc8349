"""Input storms: whatever table, labels and questions come, the outcome is a valid result or a refusal that helps."""

from __future__ import annotations

import pytest
from _storm_checks import outcome
from _storms import Storm, storms
from hypothesis import HealthCheck, given, settings

OUTCOMES = {"valid", "fit refused", "query refused"}


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(storms())
def test_a_storm_ends_with_a_valid_result_or_a_clear_refusal(storm: Storm) -> None:
    assert outcome(storm) in OUTCOMES


@pytest.mark.very_slow
@settings(max_examples=2_000, suppress_health_check=list(HealthCheck))
@given(storms())
def test_two_thousand_storms_end_with_a_valid_result_or_a_clear_refusal(storm: Storm) -> None:
    assert outcome(storm) in OUTCOMES
