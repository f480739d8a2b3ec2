"""What decides, as it is in force: policies, rights, who may change them, and the questions asked of them."""
