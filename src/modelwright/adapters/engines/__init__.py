"""Engines that execute models."""
