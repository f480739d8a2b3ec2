"""Settings (`SET`, `RESET`, `set_config`, `ALTER ROLE … SET`): what the server is told, what the gateway keeps, what is refused.

Every setting that a user or a superuser can set in a session, on 15 and on 18, has a row or belongs to a family; a test asks both
servers. A name that neither knows is refused, except names with a dot, which belong to applications and extensions.
"""

import enum
import re
from dataclasses import dataclass

from interlock.connectors.postgres.verbs.rules import words


class Verdict(enum.StrEnum):
    """What happens to a wish about a setting."""

    PASS = "pass"
    """The server is told."""
    VIRTUAL = "virtual"
    """The gateway keeps it and answers as if the server had; the server is not told."""
    LIMITED = "limited"
    """The server is told what the gateway allows."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the reason of a refusal."""

    verdict: Verdict
    why: str = ""


_TOLD = Judgement(Verdict.PASS)
_LIMITED = Judgement(Verdict.LIMITED)
_KEPT = Judgement(Verdict.VIRTUAL)

MEANING: tuple[str, ...] = (
    "array_nulls",
    "bytea_output",
    "constraint_exclusion",
    "datestyle",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_isolation",
    "extra_float_digits",
    "interlock.purge",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "quote_all_identifiers",
    "role",
    "row_security",
    "search_path",
    "session_authorization",
    "timezone",
    "timezone_abbreviations",
    "transaction_isolation",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
)
"""Settings that change what a statement means or what its text forms are: part of what people approve."""

_OWN = re.compile(r"(?<![\w$])interlock(?:_\w*)?(?![\w$])", re.IGNORECASE)

VIRTUAL = words(
    "default_transaction_read_only transaction_read_only interlock.reason interlock.wait interlock.purge"
)
"""Kept by the gateway whatever the value."""

LIMITED = words("lock_timeout statement_timeout idle_in_transaction_session_timeout")
"""A client may lower them, and not raise them above what the gateway sets at the connection."""

FORCED: dict[str, tuple[str, ...]] = {
    "backslash_quote": ("safe_encoding",),
    "client_encoding": ("utf8", "utf-8", "unicode"),
    "standard_conforming_strings": ("on", "true", "yes", "1", "t", "y"),
    "synchronous_commit": (),
}
"""Fixed at the connection. Asking for what they are anyhow is answered as if done; anything else is refused. (Of
`synchronous_commit` every value is answered so: the gateway waits for the disk whatever the client would put up with.)"""

_WHY_FORCED = {
    "backslash_quote": "the gateway must read texts as the server does",
    "client_encoding": "the gateway speaks UTF8 only; convert on your side",
    "standard_conforming_strings": "the gateway must read texts as the server does",
}

_REFUSED_ROWS: tuple[tuple[str, str], ...] = (
    (
        "allow_in_place_tablespaces allow_system_table_mods ignore_checksum_failure zero_damaged_pages wal_consistency_checking",
        "it can damage data",
    ),
    (
        """session_replication_role event_triggers lo_compat_privileges createrole_self_grant""",
        "it switches protection off",
    ),
    (
        """track_activities track_counts track_functions track_io_timing track_wal_io_timing track_cost_delay_timing
        compute_query_id update_process_title""",
        "measuring and monitoring depend on it",
    ),
    (
        """log_duration log_error_verbosity log_executor_stats log_lock_failures log_lock_waits log_min_duration_sample
        log_min_duration_statement log_min_error_statement log_min_messages log_parameter_max_length
        log_parameter_max_length_on_error log_parser_stats log_planner_stats log_replication_commands log_statement
        log_statement_sample_rate log_statement_stats log_temp_files log_transaction_sample_rate backtrace_functions
        debug_pretty_print debug_print_parse debug_print_plan debug_print_rewritten debug_print_raw_parse""",
        "what the server logs is not the client's to change",
    ),
    (
        "local_preload_libraries session_preload_libraries dynamic_library_path extension_control_path extension_destdir",
        "it loads code into the server",
    ),
    ("password_encryption scram_iterations", "it weakens passwords"),
    (
        """commit_delay deadlock_timeout debug_discard_caches jit_dump_bitcode lc_messages max_stack_depth temp_file_limit
        wal_compression wal_init_zero wal_recycle""",
        "it is for superusers",
    ),
)

REFUSED: dict[str, str] = {name: why for names, why in _REFUSED_ROWS for name in words(names)}
"""Never, with the reason."""

_OWN_ROLE = "the gateway decides as whom the session runs; ask for another grant instead"

PASSED = words(
    """application_name array_nulls bytea_output check_function_bodies client_connection_check_interval client_min_messages
    constraint_exclusion cursor_tuple_fraction datestyle default_statistics_target default_table_access_method
    default_tablespace default_text_search_config default_toast_compression default_transaction_deferrable
    default_transaction_isolation escape_string_warning exit_on_error extra_float_digits file_copy_method
    from_collapse_limit gin_fuzzy_search_limit gin_pending_list_limit icu_validation_level
    idle_session_timeout intervalstyle join_collapse_limit lc_monetary lc_numeric
    lc_time md5_password_warnings plan_cache_mode quote_all_identifiers recursive_worktable_factor
    restrict_nonsystem_relation_kind row_security search_path seed stats_fetch_consistency
    synchronize_seqscans tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout
    temp_tablespaces timezone timezone_abbreviations trace_notify trace_sort transaction_deferrable
    transaction_isolation transaction_timeout transform_null_equals wal_sender_timeout wal_skip_threshold xmlbinary
    xmloption commit_siblings backend_flush_after effective_io_concurrency maintenance_io_concurrency
    io_combine_limit hash_mem_multiplier logical_decoding_work_mem maintenance_work_mem temp_buffers work_mem
    parallel_leader_participation force_parallel_mode debug_parallel_query debug_logical_replication_streaming
    effective_cache_size parallel_setup_cost parallel_tuple_cost random_page_cost seq_page_cost"""
)
"""The server is told: they change only this session's formats, plans, limits and meaning, and nothing of the gate."""

PASSED_FAMILIES = ("cpu_", "enable_", "geqo", "jit", "max_parallel_", "min_parallel_", "vacuum_")
"""Beginnings of names of the planner's and the executor's knobs, told as well."""

REFUSED_PREFIXES = words(
    """anon auto_explain citus interlock pgaudit pljava plperl plpython plpython3 plr plrust pltcl pltclu plv8 supautils
    session_variable timescaledb pg_tle pgsodium set_user"""
)
"""First parts of dotted names that control code, audit or other guards of the server."""


def canonical(name: str) -> str:
    """A setting's name as compared here: the server ignores case (`guc_name_compare`)."""
    return name.lower()


def judge(name: str, value: str | None) -> Judgement:
    """What becomes of a wish to set `name` to `value`; None stands for its default. Also for RESET."""
    name = canonical(name)
    if name in VIRTUAL:
        return _KEPT
    if name in LIMITED:
        return _LIMITED
    if name in FORCED:
        good = FORCED[name]
        if value is None or not good or value.strip().strip("'\"").lower() in good:
            return _KEPT
        return Judgement(Verdict.REFUSE, f"{name} is fixed: {_WHY_FORCED[name]}")
    if name in ("role", "session_authorization"):
        if value is None or value.lower() in ("none", "default"):
            return _TOLD
        return Judgement(Verdict.REFUSE, f"{name} cannot be set: {_OWN_ROLE}")
    if name == "search_path" and value is not None and _OWN.search(value):
        return Judgement(Verdict.REFUSE, "agents may not touch Interlock's own schema")
    if name in REFUSED:
        return Judgement(Verdict.REFUSE, f"{name} cannot be set: {REFUSED[name]}")
    if name in PASSED or name.startswith(PASSED_FAMILIES):
        return _TOLD
    if "." in name and name.split(".", 1)[0] not in REFUSED_PREFIXES:
        return _TOLD
    return Judgement(Verdict.REFUSE, f"{name} is not a setting that a client may change through the gateway")


def judge_unknown(name: str) -> Judgement:
    """As :func:`judge`, when the value is not known beforehand: only what passes whatever the value is passes."""
    name = canonical(name)
    if name in VIRTUAL or name in FORCED or name in ("role", "session_authorization"):
        return Judgement(Verdict.REFUSE, f"{name} can be set to a literal value only")
    return judge(name, None)


def judge_show(name: str) -> Judgement:
    """Whether SHOW is answered by the server or by the gateway."""
    return _KEPT if canonical(name) in VIRTUAL else _TOLD


def lasting(name: str) -> str:
    """Why a setting must not become a default of a role, a database or a function; empty when it may."""
    name = canonical(name)
    if name in VIRTUAL or name in FORCED:
        return f"{name} is fixed by the gateway"
    if name in ("role", "session_authorization"):
        return f"{name} would change as whom sessions run"
    judged = judge(name, None)
    return judged.why if judged.verdict is Verdict.REFUSE else ""
