"""What people say of held changes, as it is recorded: voices, comments, and the broken glass."""
