"""Whose fault an error of the server's is, by its SQLSTATE (PostgreSQL manual, appendix A)."""

from interlock.sdk.connector import Cause

_EXPECTED_CLASSES = ("02", "3D", "3F")
_EXPECTED = frozenset(
    {
        "23503",  # foreign_key_violation
        "23505",  # unique_violation
        "23P01",  # exclusion_violation
        "2BP01",  # dependent_objects_still_exist
        "42701",  # duplicate_column
        "42703",  # undefined_column
        "42704",  # undefined_object
        "42710",  # duplicate_object
        "42723",  # duplicate_function
        "42883",  # undefined_function
        "42P01",  # undefined_table
        "42P04",  # duplicate_database
        "42P06",  # duplicate_schema
        "42P07",  # duplicate_table
        "P0002",  # no_data_found
    }
)
"""There is no such thing, there is one already, or others hang on it."""
_TRANSIENT_CLASSES = ("08", "53", "57", "58", "XX")
_TRANSIENT = frozenset(
    {
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
        "40001",  # serialization_failure
        "40003",  # statement_completion_unknown
        "40P01",  # deadlock_detected
        "55006",  # object_in_use
        "55P03",  # lock_not_available
        "72000",  # snapshot_too_old
    }
)
"""Try again, or later. Class 57 has the server's shutdown, and statements that somebody cancelled."""


def cause_of(sqlstate: str) -> Cause:
    """An error without a SQLSTATE is the connection's."""
    if not sqlstate or sqlstate in _TRANSIENT or sqlstate.startswith(_TRANSIENT_CLASSES):
        return Cause.TRANSIENT
    if sqlstate in _EXPECTED or sqlstate.startswith(_EXPECTED_CLASSES):
        return Cause.EXPECTED
    return Cause.WORK
