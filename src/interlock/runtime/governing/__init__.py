"""Governed mode: proposals of changes of what decides, who must agree to them, and what is in force.

Begin with `office.py`: all that loosens goes through it. docs/governed.md tells it for operators, ADR 0022 why it is so.
"""
