"""The SQL that sets a database up for the gateway, and the settings of programs that connect through it."""
