"""Figures of a classification: confusion, accuracy, per-class scores, calibration, temperature."""

import numpy as np

from .layout import LABELS


def softmax(logits, temperature=1.0):
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    exponentials = np.exp(scaled)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def scores(logits, label):
    """Accuracy, macro-F1, confusion (rows: reference) and per-class Se, +P, F1, as plain numbers."""
    predicted = logits.argmax(axis=1)
    classes = len(LABELS)
    confusion = np.bincount(label * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    per_class = {}
    for i, name in enumerate(LABELS):
        true = int(confusion[i, i])
        reference, found = int(confusion[i].sum()), int(confusion[:, i].sum())
        per_class[name] = {
            "beats": reference,
            "se": true / max(reference, 1),
            "ppv": true / max(found, 1),
            "f1": 2 * true / max(reference + found, 1),
        }
    return {
        "beats": len(label),
        "accuracy": float(np.mean(predicted == label)),
        "macro_f1": float(np.mean([c["f1"] for c in per_class.values()])),
        "per_class": per_class,
        "confusion": confusion.tolist(),
    }


def expected_calibration_error(logits, label, temperature, bins=15):
    """Mean distance between confidence and accuracy over equally wide confidence bins."""
    probability = softmax(logits, temperature)
    confidence = probability.max(axis=1)
    correct = probability.argmax(axis=1) == label
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(error)


def fit_temperature(logits, label):
    """The temperature with the least cross-entropy, by golden-section search over its logarithm."""
    logits, rows = logits.astype(np.float64), np.arange(len(label))

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        largest = scaled.max(axis=1)
        total = np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float(np.mean(total + largest - scaled[rows, label]))

    low, high, ratio = np.log(0.2), np.log(5.0), (np.sqrt(5) - 1) / 2
    for _ in range(40):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))
