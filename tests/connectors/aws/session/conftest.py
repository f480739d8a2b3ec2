"""The AWS gateway of the fault tests: moto behind it, and a new agent for each test."""

from tests.faults.aws.conftest import moto, patient, place, place_of_all

__all__ = ["moto", "patient", "place", "place_of_all"]
