"""What each form of statement is and does."""
