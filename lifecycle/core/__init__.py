"""The pure part: what arrives, what it says, what it means, and the view it makes.

Nothing here reads a clock, a file, a socket or the environment.
"""
