"""The agent: stdlib only, Python 3.9 or newer, sent to the box on each connection.

It reads one JSON request a line on stdin and answers one JSON line; events may come before the answer.
It holds no policy: the controller decides what to ask and which steps to run.
"""
