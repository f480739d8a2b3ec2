"""Built-in functions that are not simply reads, family by family, and the volatile ones that are.

Immutable and stable functions are reads by rule (`verbs.builtins` lists them) unless a row here says otherwise; a volatile function
of `pg_catalog` must have a row here. Sources: PostgreSQL manual chapter 9, `pg_proc.dat` of 15 to 18.
"""

from interlock.connectors.postgres.verbs.builtins import READS
from interlock.connectors.postgres.verbs.rules import FunctionKind, FunctionRule, words
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action

_READ, _UNDONE, _LASTING = FunctionKind.READ, FunctionKind.UNDONE, FunctionKind.LASTING
_DYNAMIC, _REFUSED, _UNCALLABLE = FunctionKind.DYNAMIC, FunctionKind.REFUSED, FunctionKind.UNCALLABLE

READ = FunctionRule(_READ, "reads or computes")

_FAMILIES: tuple[tuple[FunctionRule, str], ...] = (
    # -- reads, though volatile
    (
        FunctionRule(_READ, "a new value on each call, nothing kept but the session's own seed"),
        """random random_normal array_sample array_shuffle setseed gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday
        current_query""",
    ),
    (FunctionRule(_READ, "waits"), "pg_sleep pg_sleep_for pg_sleep_until"),
    (
        FunctionRule(_READ, "shows a sequence"),
        "currval lastval pg_sequence_last_value pg_get_sequence_data",
    ),
    (
        FunctionRule(_READ, "shows sizes"),
        """pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size""",
    ),
    (
        FunctionRule(_READ, "shows the state of the server"),
        """amvalidate pg_available_wal_summaries pg_blocking_pids pg_collation_actual_version pg_control_checkpoint
        pg_control_init pg_control_recovery pg_control_system pg_current_logfile pg_current_wal_flush_lsn
        pg_current_wal_insert_lsn pg_current_wal_lsn pg_database_collation_actual_version pg_get_aios
        pg_get_backend_memory_contexts pg_get_loaded_modules pg_get_multixact_members pg_get_shmem_allocations
        pg_get_shmem_allocations_numa pg_get_wait_events pg_get_wal_replay_pause_state pg_get_wal_resource_managers
        pg_get_wal_summarizer_state pg_is_in_recovery pg_is_wal_replay_paused pg_isolation_test_session_is_blocked
        pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
        pg_lock_status pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact
        pg_replication_origin_progress pg_replication_origin_session_is_setup pg_replication_origin_session_progress
        pg_safe_snapshot_blocking_pids pg_show_replication_origin_status pg_wal_summary_contents pg_xact_commit_timestamp
        pg_xact_commit_timestamp_origin pg_xact_status txid_status""",
    ),
    (
        FunctionRule(_READ, "shows statistics"),
        """pg_stat_clear_snapshot pg_stat_get_backend_io pg_stat_get_backend_wal pg_stat_get_io pg_stat_get_recovery_prefetch
        pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
        pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
        pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
        pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
        pg_stat_get_xact_tuples_updated pg_stat_have_stats""",
    ),
    (FunctionRule(_READ, "reads a large object"), "lo_get"),
    # -- undone by a rollback, or harmless when it is not
    (
        FunctionRule(_UNDONE, "takes the next number of a sequence", Action.UPDATE, "sequence", at_once=True),
        "nextval",
    ),
    (
        FunctionRule(_UNDONE, "makes a large object", Action.CREATE, "large_object"),
        "lo_creat lo_create lo_from_bytea",
    ),
    (
        FunctionRule(_UNDONE, "writes a large object", Action.UPDATE, "large_object"),
        "lo_put lowrite lo_truncate lo_truncate64",
    ),
    (FunctionRule(_UNDONE, "removes a large object", Action.DELETE, "large_object"), "lo_unlink"),
    (
        FunctionRule(_UNDONE, "works on an open large object", Action.READ, "large_object"),
        "lo_open lo_close lo_lseek lo_lseek64 lo_tell lo_tell64 loread",
    ),
    (
        FunctionRule(_UNDONE, "sends a notification", Action.UPDATE, "channel", ChangeKind.UPDATED),
        "pg_notify",
    ),
    (
        FunctionRule(
            _UNDONE, "takes or gives an advisory lock", Action.UPDATE, "advisory_lock", at_once=True
        ),
        """pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
        pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
        pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared""",
    ),
    (FunctionRule(_UNDONE, "shares the transaction's snapshot"), "pg_export_snapshot"),
    (
        FunctionRule(_UNDONE, "changes the planner's statistics", Action.UPDATE, "statistics"),
        "pg_clear_attribute_stats pg_clear_relation_stats pg_restore_attribute_stats pg_restore_relation_stats",
    ),
    (
        FunctionRule(_UNDONE, "adds collations of the operating system", Action.ADMIN, "server"),
        "pg_import_system_collations",
    ),
    # -- not undone by a rollback
    (
        FunctionRule(_LASTING, "may set a sequence back", Action.UPDATE, "sequence", ChangeKind.REWOUND),
        "setval",
    ),
    (
        FunctionRule(_LASTING, "signals another session", Action.ADMIN, "server_process", ChangeKind.DELETED),
        "pg_cancel_backend pg_terminate_backend",
    ),
    (
        FunctionRule(
            _LASTING,
            "acts on the server: configuration, log or write-ahead log",
            Action.ADMIN,
            "server",
            ChangeKind.SETTING,
        ),
        """pg_log_backend_memory_contexts pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_switch_wal
        pg_create_restore_point pg_log_standby_snapshot pg_wal_replay_pause pg_wal_replay_resume""",
    ),
    (
        FunctionRule(
            _LASTING,
            "throws away the server's counters",
            Action.ADMIN,
            "server",
            ChangeKind.DELETED,
        ),
        """pg_stat_reset pg_stat_reset_backend_stats pg_stat_reset_replication_slot pg_stat_reset_shared
        pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters pg_stat_reset_slru
        pg_stat_reset_subscription_stats""",
    ),
    (
        FunctionRule(
            _LASTING,
            "changes or consumes replication",
            Action.ADMIN,
            "replication",
            ChangeKind.SETTING,
        ),
        """pg_copy_logical_replication_slot pg_copy_physical_replication_slot pg_create_logical_replication_slot
        pg_create_physical_replication_slot pg_drop_replication_slot pg_logical_emit_message
        pg_logical_slot_get_binary_changes pg_logical_slot_get_changes pg_logical_slot_peek_binary_changes
        pg_logical_slot_peek_changes pg_replication_slot_advance pg_sync_replication_slots pg_replication_origin_advance
        pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_session_reset
        pg_replication_origin_session_setup pg_replication_origin_xact_reset pg_replication_origin_xact_setup""",
    ),
    (
        FunctionRule(_LASTING, "maintains an index", Action.UPDATE, "index", ChangeKind.UPDATED),
        "brin_desummarize_range brin_summarize_new_values brin_summarize_range gin_clean_pending_list",
    ),
    # -- settings
    (FunctionRule(FunctionKind.SETTING, "sets a setting"), "set_config"),
    # -- what they do is named by a value
    (
        FunctionRule(_DYNAMIC, "runs SQL that it is given"),
        """query_to_xml query_to_xml_and_xmlschema query_to_xmlschema cursor_to_xml cursor_to_xmlschema table_to_xml
        table_to_xml_and_xmlschema table_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema
        database_to_xml database_to_xml_and_xmlschema database_to_xmlschema ts_stat ts_rewrite""",
    ),
    (
        FunctionRule(_DYNAMIC, "runs the checks of a type that it is given"),
        "domain_in array_in record_in range_in multirange_in pg_input_is_valid pg_input_error_info",
    ),
    # -- never
    (
        FunctionRule(_REFUSED, "reads the server's files"),
        """pg_read_binary_file pg_read_file pg_read_file_old pg_stat_file pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir
        pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir
        pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings""",
    ),
    (FunctionRule(_REFUSED, "reads or writes the server's files"), "lo_import lo_export"),
    (FunctionRule(_REFUSED, "would break the gateway's measuring"), "pg_stat_force_next_flush"),
    (FunctionRule(_REFUSED, "belongs to backup and failover"), "pg_backup_start pg_backup_stop pg_promote"),
    (
        FunctionRule(_REFUSED, "is for upgrades and extension scripts only"),
        """binary_upgrade_add_sub_rel_state binary_upgrade_create_empty_extension binary_upgrade_logical_slot_has_caught_up
        binary_upgrade_replorigin_advance binary_upgrade_set_missing_value binary_upgrade_set_next_array_pg_type_oid
        binary_upgrade_set_next_heap_pg_class_oid binary_upgrade_set_next_heap_relfilenode
        binary_upgrade_set_next_index_pg_class_oid binary_upgrade_set_next_index_relfilenode
        binary_upgrade_set_next_multirange_array_pg_type_oid binary_upgrade_set_next_multirange_pg_type_oid
        binary_upgrade_set_next_pg_authid_oid binary_upgrade_set_next_pg_enum_oid
        binary_upgrade_set_next_pg_tablespace_oid binary_upgrade_set_next_pg_type_oid
        binary_upgrade_set_next_toast_pg_class_oid binary_upgrade_set_next_toast_relfilenode
        binary_upgrade_set_record_init_privs pg_extension_config_dump pg_nextoid pg_stop_making_pinned_objects""",
    ),
    # -- not for calls from SQL
    (
        FunctionRule(_UNCALLABLE, "is called by the server itself"),
        """RI_FKey_cascade_del RI_FKey_cascade_upd RI_FKey_check_ins RI_FKey_check_upd RI_FKey_noaction_del
        RI_FKey_noaction_upd RI_FKey_restrict_del RI_FKey_restrict_upd RI_FKey_setdefault_del RI_FKey_setdefault_upd
        RI_FKey_setnull_del RI_FKey_setnull_upd suppress_redundant_updates_trigger tsvector_update_trigger
        tsvector_update_trigger_column unique_key_recheck bernoulli system brinhandler bthandler ginhandler gisthandler
        hashhandler spghandler heap_tableam_handler dsnowball_init dsnowball_lexize plpgsql_call_handler
        plpgsql_inline_handler plpgsql_validator currtid2 fmgr_c_validator fmgr_internal_validator fmgr_sql_validator""",
    ),
)

ROWS: dict[str, FunctionRule] = {name: rule for rule, names in _FAMILIES for name in words(names)}
"""Functions with a row of their own."""

FIXED_ARITY_READS = {("ts_rewrite", 3)}
"""A name and a number of arguments that is a read though the name's row says otherwise."""

VALUE_CHANGES: frozenset[str] = frozenset(name for rule, names in _FAMILIES[:1] for name in words(names)) | {
    "currval",
    "lastval",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
}
"""Reads whose value differs from call to call: a predicate with them does not select the same rows twice."""

EXTENSION_ROWS: dict[str, FunctionRule] = {
    name: rule
    for rule, names in (
        (
            FunctionRule(_LASTING, "runs SQL on another server", Action.ADMIN, "server", ChangeKind.UPDATED),
            """dblink dblink_exec dblink_connect dblink_connect_u dblink_open dblink_fetch dblink_close dblink_send_query
            dblink_get_result dblink_cancel_query dblink_disconnect""",
        ),
        (
            FunctionRule(_REFUSED, "reads or writes the server's files"),
            "pg_file_write pg_file_rename pg_file_unlink pg_file_sync pg_file_read pg_file_length pg_logdir_ls",
        ),
        (
            FunctionRule(_REFUSED, "damages tables below the transaction"),
            "heap_force_kill heap_force_freeze pg_truncate_visibility_map",
        ),
        (
            FunctionRule(
                _LASTING, "throws away the server's counters", Action.ADMIN, "server", ChangeKind.DELETED
            ),
            "pg_stat_statements_reset pg_stat_kcache_reset pg_qualstats_reset",
        ),
        (
            FunctionRule(
                _LASTING, "has SQL run later, outside the gate", Action.ADMIN, "server", ChangeKind.UPDATED
            ),
            "schedule schedule_in_database",
        ),
    )
    for name in words(names)
}
"""Functions of well-known extensions, by name; heeded where a function of that name in C exists."""

TRUSTED_EXTENSIONS = words(
    "btree_gin btree_gist citext cube fuzzystrmatch hstore intarray isn ltree pg_trgm pgcrypto seg unaccent uuid-ossp vector"
)
"""Extensions whose immutable and stable functions in C compute and read, nothing else. (Only a superuser can change a function
in C.)"""


def rule_of(name: str, arity: int = -1) -> FunctionRule | None:
    """The row of a built-in function; None when the tables do not know it. `arity` counts the arguments, -1 when not known."""
    if (name, arity) in FIXED_ARITY_READS:
        return READ
    return ROWS.get(name) or (READ if name in READS else None)
