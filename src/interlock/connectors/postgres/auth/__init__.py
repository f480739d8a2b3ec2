"""How clients and servers prove who they are: SCRAM-SHA-256 for both sides, and the preparation of passwords."""
