"""Looks at an installation and says what is missing: the servers, the platform's APIs, templates, accounts, rights."""
