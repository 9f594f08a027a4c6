"""A historical stream, replayed through the loop's own code under several policies side by side.

Each policy is a project of its own in ``.everloop/backtests/ID/POLICY``, and all of them begin as
copies of one in which the first part of the stream has trained the first champion. Then, window by
window, the champion answers into the prediction log, labels come when their delay is over, and the
loop looks, decides and goes round, as it would have then.
"""
