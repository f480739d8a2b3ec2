"""The kill switch of one replica: how it learns that everything is halted, what it ends then, and how that is tried."""
