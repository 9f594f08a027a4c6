"""Estimators of our own, for what scikit-learn lacks or says in a way that ONNX cannot."""
