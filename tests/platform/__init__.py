"""The platform API in platform/04-apis: its definition, and what is derived from it."""
