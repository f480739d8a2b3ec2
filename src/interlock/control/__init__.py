"""Pure state machines: change, approval, breaker, budget."""
