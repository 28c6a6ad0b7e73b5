"""What README.md and docs/ say is held against the code: examples, commands, links, tables, rights."""
