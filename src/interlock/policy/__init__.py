"""Cedar: what it is asked, with what, and which rules are shipped."""
