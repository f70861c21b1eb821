"""Figures and tables shared by the report and the dashboard."""
