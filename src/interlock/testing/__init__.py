"""What tests, the demo and the benchmarks share: real peers, transcripts, simulators and enforcing fakes.

It lies outside the layers: it may import anything, and of the package only the command line's demo may import it.
"""
