"""What would defeat the gate, found in the target's server and roles."""
