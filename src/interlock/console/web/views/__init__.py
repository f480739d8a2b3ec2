"""The pages about who may do what, on what, by which rules, and the record of it."""
