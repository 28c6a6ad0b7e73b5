"""The command line: click commands that ask ``bootstrap`` for parts, and rich tables that show what came back.

Each command lives in its own module that is imported only when the command is called: ``--help`` and ``plan`` must
not pay for the libraries of ``run``.
"""
