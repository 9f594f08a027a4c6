"""Profiles of tables that no reference stands beside yet: one pass, constant memory, mergeable."""
