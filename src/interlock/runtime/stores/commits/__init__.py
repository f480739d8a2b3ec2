"""How transactions become durable: connections, group commit, and the statements that every change runs."""
