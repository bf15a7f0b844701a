"""Dashboards for Grafana, as rows of panels: each asks Prometheus for metrics that are told here or by HAProxy."""
