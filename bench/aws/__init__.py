"""Measures the AWS connector against AWS itself (moto, or a server that does nothing) and against mitmproxy: ``python -m
bench.aws``."""
