"""People, agents and their rights, and who may change them."""
