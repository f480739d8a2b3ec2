"""What the configuration says: `interlock.yaml`, strictly validated, and each of its parts."""
