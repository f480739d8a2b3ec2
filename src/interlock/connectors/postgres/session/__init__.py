"""One agent's connection: from its first byte to its last.

`session` receives the bytes and takes the fast path; `worker` runs what is gated, statement by statement; `exchange` is the
conversation with the server in which the client's messages and the gateway's own SQL are pipelined.
"""
