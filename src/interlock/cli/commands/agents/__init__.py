"""Commands of whoever runs an agent."""
