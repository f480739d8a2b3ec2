"""The reviewed tables: what each API operation is, which calls are quietly dangerous, and whose answers hold secrets."""
