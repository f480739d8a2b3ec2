"""What is allowed: grants and guardrails in Cedar, asked before and after the effects are known (no I/O).

Start with `engine.py`. Sources: the Cedar policy language (docs.cedarpolicy.com), docs/policy.md and ADR 4.
"""
