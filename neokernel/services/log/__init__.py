"""The log: structured records of all services, kept across the log's own restarts."""
