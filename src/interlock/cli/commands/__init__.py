"""The commands, one module for each subject. What is slow to import is imported where it is used."""
