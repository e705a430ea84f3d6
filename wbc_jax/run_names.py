"""What lies in a run's directory: names that training and evaluation write and many read.

path / run_names.RESULTS
"""

CONFIG = "config.json"
ENVIRONMENT = "environment.json"
DATASET = "dataset.json"
LOCK = ".lock"
IN_USE = ".in_use"  # the lock of what lies in no run's directory: a sweep, predictions
CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"  # one line per epoch
PREDICTIONS = "predictions.npz"  # of a classifier, by image of the test part
VALIDATION_PREDICTIONS = "validation_predictions.npz"
SMEAR_PREDICTIONS = "smear_predictions.npz"
DETECTIONS = "detections.npz"  # of a detector, on the test part
VALIDATION_DETECTIONS = "validation_detections.npz"
MODEL_CARD = "model_card.md"
DATASET_CARD = "dataset_card.md"
REPORT = "report.html"
RESULTS = "results.json"  # the last to be written: the run is finished
