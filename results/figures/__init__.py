"""Pictures and tables that the report and the dashboard share."""
