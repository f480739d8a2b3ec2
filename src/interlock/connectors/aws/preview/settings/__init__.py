"""Settings: the present value beside the new one, and whether that weakens, opens or shrinks what it is about."""
