"""Cards and a summary for the gallery, made without a network."""

import io
from collections import Counter
from typing import Any

import numpy as np
from PIL import Image

from wbc_jax.prediction.differential import differential
from wbc_jax.reporting.gallery import Card, Why

CLASSES = ["lymphocyte", "neutrophil", "<script>"]
# Answer, most probable class, confidence.
ANSWERS = [
    ("neutrophil", "neutrophil", 0.93),
    ("lymphocyte", "lymphocyte", 0.71),
    ("uncertain", "lymphocyte", 0.42),
    ("neutrophil", "neutrophil", 0.99),
    ("<script>", "<script>", 0.80),
    ("lymphocyte", "lymphocyte", 0.88),
]


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 50, 3), shade, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def make_cards() -> list[Card]:
    return [
        Card(
            image=f'folder/"{number}" & <b>.png',
            cell=number,
            row=10.0 * number,
            column=5.0,
            answer=answer,
            most_probable=best,
            confidence=confidence,
            probabilities={name: confidence if name == best else 0.0 for name in CLASSES},
            view=jpeg(40 * number),
            why=Why(jpeg(200), jpeg(100), 0.5) if number % 2 else None,
        )
        for number, (answer, best, confidence) in enumerate(ANSWERS, 1)
    ]


def make_summary(**changes: Any) -> dict[str, Any]:
    answers = [answer for answer, _, _ in ANSWERS]
    counts = {name: answers.count(name) for name in CLASSES}
    uncertain = Counter(best for answer, best, _ in ANSWERS if answer == "uncertain")
    return {
        "run": {"path": "runs/x", "model": "cnn", "dataset": "d", "protocol": "p", "seed": 0}
        | {"is_leaky": False},
        "input": "smears",
        "detector": "classical",
        "single_cells": False,
        "window": None,
        "classes": CLASSES,
        "temperature": 1.5,
        "confidence": {
            "threshold": 0.6,
            "target_risk": 0.05,
            "coverage_on_test": 0.9,
            "risk_on_test": 0.04,
        },
        "warnings": ["Drawn <i>cells</i>."],
        "num_images": 6,
        "num_white": 6,
        "counts": {"RBC": 60, "WBC": 6, "Platelets": 3},
        "differential": differential(counts, uncertain),
        "folders": {},
        "num_bad_files": 1,
        "bad_files": [{"file": "<x>.png", "reason": "the file is empty"}],
        **changes,
    }
