"""A linter for Workflows and WorkflowTemplates: what Argo checks at submit, and what it leaves to fail at run time.

Argo's own `argo lint` is in no package registry, passes unknown fields, and cannot know this platform's rules: text of
users is quoted, an old Ready does not count, nothing of another owner is touched. All files of one call are judged
together, because templates refer to each other.

    python -m tools.workflow_lint platform/05-workflows/templates/*.yaml tests/golden/workflows/*.yaml
"""
