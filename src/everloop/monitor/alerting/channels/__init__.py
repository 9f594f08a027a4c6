"""Ways to tell alerts; each is one class in one file."""

from everloop.monitor.alerting.channels import email, file, pagerduty, slack, webhook

__all__ = ["email", "file", "pagerduty", "slack", "webhook"]
