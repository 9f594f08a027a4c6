"""Models that learn one event after another: river's learners behind everloop's preparation.

River learns and everloop answers: after a lesson what river knows is read off as arrays, which
answer many rows at once and are what the ONNX graph is made of. The learner itself is kept as
numbers and goes on from them, the same as if it had never been put away.
"""
