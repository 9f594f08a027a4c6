"""A model that goes on learning: trees whose leaves are refitted as labels come, and their mixture.

Full fits are dear and rare; between them every window of labels refits the leaves of the last one
and of a smaller one on the newest rows, each at several speeds of forgetting, and a line beside
them, and weighs all anew. What is served is one graph of two tree ensembles and a line, whatever
the number of copies: their scores are added, so are their leaves.
"""

FOLDER = "pool"
STATE = f"{FOLDER}/pool.json"  # in the package of every model that is a pool
