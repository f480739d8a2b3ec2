"""All I/O of the core: stores, clock, configuration, serving."""
