"""Fixtures of the challenge tests live in conftest_challenge, so that they can be imported by name elsewhere."""

from conftest_challenge import *  # noqa: F403
