"""A configured account as the core sees it: reached, checked, recovered, reverted."""
