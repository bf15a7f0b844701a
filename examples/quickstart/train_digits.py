"""Trains the quickstart's digit classifier on scikit-learn's bundled digits, and writes its ONNX file, card and request.

    python examples/quickstart/train_digits.py          # some seconds

A picture is 8 × 8 = 64 grey values from 0 to 16 in float32, row by row. Nothing is downloaded.
"""

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

HERE = Path(__file__).parent
MODEL = HERE / "models" / "digits.onnx"
SEED = 7
OPSET = {"": 17, "ai.onnx.ml": 3}


def main() -> None:
    """Train, export, compare, describe."""
    pictures, labels = load_digits(return_X_y=True)
    pictures = pictures.astype(np.float32)
    seen, held_out, seen_labels, held_out_labels = train_test_split(
        pictures, labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    network = MLPClassifier(hidden_layer_sizes=(128, 64), alpha=1e-3, max_iter=400, random_state=SEED)
    classifier = make_pipeline(MinMaxScaler(feature_range=(0, 1)), network).fit(seen, seen_labels)
    MODEL.write_bytes(export(classifier))
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    answered, probabilities = session.run(["label", "probabilities"], {"image": held_out})
    apart = compare(classifier, held_out, answered=answered, probabilities=probabilities)
    accuracy = float((answered == held_out_labels).mean())
    describe(accuracy, held_out=len(held_out), apart=apart)
    seven = next(i for i, label in enumerate(held_out_labels) if label == 7 and answered[i] == 7)
    write_request(held_out[seven])
    print(f"held-out accuracy {accuracy:.4f} on {len(held_out)} pictures; {MODEL.stat().st_size} bytes in {MODEL}")


def export(classifier: Pipeline) -> bytes:
    """The ONNX file: `image` FP32 [-1, 64] in, `label` INT64 [-1] and `probabilities` FP32 [-1, 10] out."""
    model = to_onnx(
        classifier,
        initial_types=[("image", FloatTensorType([None, 64]))],
        options={id(classifier): {"zipmap": False, "output_class_labels": False}},
        target_opset=OPSET,
    )
    renamed = {"output_label": "label", "output_probability": "probabilities"}
    for output in model.graph.output:
        output.name = renamed.get(output.name, output.name)
    for node in model.graph.node:
        node.output[:] = [renamed.get(name, name) for name in node.output]
    return model.SerializeToString()


def compare(classifier: Pipeline, pictures: np.ndarray, *, answered: np.ndarray, probabilities: np.ndarray) -> float:
    """The largest difference of a probability from scikit-learn's; raises when labels differ or it passes 1e-5."""
    apart = float(np.abs(classifier.predict_proba(pictures) - probabilities).max())
    if not np.array_equal(classifier.predict(pictures), answered) or apart > 1e-5:
        raise SystemExit(f"the exported model differs from scikit-learn's: probabilities by {apart}")
    return apart


def describe(accuracy: float, *, held_out: int, apart: float) -> None:
    """Write the card beside the model."""
    names = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")
    card = {
        "model": MODEL.name,
        "digest": "sha256:" + hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "bytes": MODEL.stat().st_size,
        "licence": "Apache-2.0",
        "script": "examples/quickstart/train_digits.py",
        "data": "scikit-learn's bundled digits (UCI Optical Recognition of Handwritten Digits, its test part), 1797 pictures",
        "held_out_pictures": held_out,
        "held_out_accuracy": round(accuracy, 4),
        "largest_difference_from_scikit_learn": apart,
        "trained_with": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in names},
        },
    }
    MODEL.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def write_request(picture: np.ndarray) -> None:
    """Write the V2 request that asks for a held-out seven."""
    tensor = {"name": "image", "shape": [1, 64], "datatype": "FP32", "data": picture.tolist()}
    (HERE / "seven.json").write_text(json.dumps({"inputs": [tensor]}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
