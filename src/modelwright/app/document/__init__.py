"""YAML files as trees that know their lines; nothing of what the files mean."""
