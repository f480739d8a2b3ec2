"""Who asks: key pairs, signatures proven, and narrower keys for those who ask for credentials."""
