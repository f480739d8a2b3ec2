"""Measures Interlock against PostgreSQL itself and against pgbouncer: ``make bench``, or ``python -m bench --help``.

What is compared is run in turn (A B C A B C …) on the same server with the same settings, and medians are shown: the
ratios mean something on any machine, the absolute numbers only on the one they were measured on.
"""
