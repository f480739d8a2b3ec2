"""What goes on beside the calls: chores that come back, work seen to its end, and who waits for a change."""
