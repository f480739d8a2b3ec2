"""Signals: what of an agent's work opens a breaker by itself.

`seen` says what a unit means to signals, `judge` what follows from it and from what the agent left behind lately
(`model.signal.Track`), `thresholds` from where on. All of it is arithmetic on values: nothing here reads a clock or a store.
"""
