"""Where a package keeps the state, for those who only look whether it is there."""

FOLDER = "state"
STATE = "state/state.json"
FRONT = "state/front.onnx"
