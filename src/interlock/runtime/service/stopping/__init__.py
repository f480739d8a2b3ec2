"""Stopping: breakers, freezes, the kill switch, and thresholds that fit what really happened."""
