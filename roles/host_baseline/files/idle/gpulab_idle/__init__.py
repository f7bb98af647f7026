"""Stops a host that nobody uses. Runs as root, each minute, with any Python from 3.5 on and its standard library."""
