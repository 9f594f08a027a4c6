"""Out to the world: what serves an endpoint elsewhere, as files.

``context`` is the folder an image is built from; ``kubernetes``, ``helm``, ``compose`` and
``kserve`` describe how the image runs. Each makes a dictionary of file names and bytes from an
:class:`~everloop.deploy.export.target.Target`; nothing here talks to a cluster or an engine.
"""
