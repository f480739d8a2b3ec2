"""What is done on targets: protecting tables, and their trash."""
