"""Pipelines from the manifest to a worker: section, rules, plan, and the steps themselves."""
