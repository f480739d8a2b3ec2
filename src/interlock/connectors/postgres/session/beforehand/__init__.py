"""What is asked before a statement runs."""
