"""What people run on policies before they are in force."""
