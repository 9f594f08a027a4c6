"""What a version keeps beside its graph so that its model can go on learning.

A graph answers and cannot learn. So a package of a family that can go on has a folder ``state``:
the fitted preparation as a graph, which stays as it is, and the model as text of LightGBM, as
safetensors, or as plain arrays. Nothing in it is ever unpickled.
"""
