"""Do breakers stop the runaway agent, and leave the honest one alone? ``python -m bench.breakers``."""
