"""Tables and columns that are taken away as a whole, and how their rows are kept."""
