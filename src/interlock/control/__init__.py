"""Pure state machines and rules: changes, approvals, effects, breakers, limits. No I/O; time comes in as an argument."""
