"""The way of one operation, as generators that do no I/O and yield typed commands; start at `admit`."""
