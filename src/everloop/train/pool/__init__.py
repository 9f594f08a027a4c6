"""A model that goes on learning: trees whose leaves are refitted as labels come, and their mixture.

Full fits are dear and rare; between them every window of labels refits the leaves of the last two
fits, each at several speeds of forgetting, and weighs all of them anew. What is served is one graph
of two tree ensembles, whatever the number of copies: their scores are added, so are their leaves.
"""
