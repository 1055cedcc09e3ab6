"""The verbs of the command line; tasks.py has them all."""
