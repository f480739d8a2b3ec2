"""The way of one unit of work, as generators that yield typed commands and do no I/O. Start reading in `admit`."""
