"""Asking an endpoint from Python, over HTTP: :class:`Endpoint`, and :class:`AsyncEndpoint`."""

from everloop.deploy.client.asynchronous import AsyncEndpoint
from everloop.deploy.client.endpoint import Endpoint
from everloop.deploy.client.messages import Predictions

__all__ = ["AsyncEndpoint", "Endpoint", "Predictions"]
