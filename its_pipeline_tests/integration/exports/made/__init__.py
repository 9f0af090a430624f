"""Exports made in the form that each app writes, with days whose figures are worked out by hand."""

from its_pipeline_tests.integration.exports.made.diaries import DAYLIO, EXIST
from its_pipeline_tests.integration.exports.made.nights import (
    OURA,
    SLEEP_ANDROID,
    SLEEP_CYCLE,
    WHOOP,
)
from its_pipeline_tests.integration.exports.made.phones import APPLE
from its_pipeline_tests.integration.exports.made.watches import FITBIT, GARMIN, GARMIN_CONNECT

APPS = (
    APPLE,
    DAYLIO,
    FITBIT,
    SLEEP_CYCLE,
    SLEEP_ANDROID,
    WHOOP,
    OURA,
    GARMIN,
    EXIST,
    GARMIN_CONNECT,
)
