"""From samples to figures."""

from typing import Any

import pytest

from benchmarks.matmul import matmul_gflops
from benchmarks.operations import forward_multiply_adds, share_of_peak, training_multiply_adds
from benchmarks.step_records import (
    Case,
    make_record,
    matmul_peak,
    prediction_table,
    training_table,
)
from wbc_jax.models import create_model
from wbc_jax.models.describe import Layer, list_layers


def layer(multiply_adds: int) -> Layer:
    return Layer("a", "convolution", (1,), 1, multiply_adds)


@pytest.fixture
def record() -> dict[str, Any]:
    case = Case(
        model="cnn",
        batch_size=10,
        num_params=1234,
        native_kernels=["wbc_conv"],
        train_multiply_adds=50_000_000,
        predict_multiply_adds=20_000_000,
        num_threads={"torch eager train": 2, "torch compile train": 1, "torch compile predict": 1},
        counts={"ours train": 5, "ours predict": 8},
        samples={
            "ours train": [0.010, 0.020, 0.010],
            "torch eager train": [0.050, 0.100, 0.050],
            "torch compile train": [0.020, 0.040, 0.030],
            "ours predict": [0.004, 0.004, 0.004],
            "torch eager predict": [0.003, 0.003, 0.003],
            "torch compile predict": [0.002, 0.002, 0.002],
            "matmul jax": [1.0, 1.0, 1.0],
        },
    )
    return make_record(case, dtype="float32", device="cpu", peak_gflops=200.0)


def test_pytorchs_fastest_mode_is_the_one_compared(record: dict[str, Any]) -> None:
    assert record["torch_mode"] == record["predict_torch_mode"] == "compile"
    assert record["torch_ms_by_mode"] == pytest.approx({"eager": 50, "compile": 30})
    assert record["torch_num_threads"] == 1


def test_the_ratio_is_the_median_over_rounds(record: dict[str, Any]) -> None:
    assert record["ratio"] == pytest.approx(2.0)  # of 2, 2 and 3; medians alone would give 3
    assert record["ratio_quartiles"] == pytest.approx([2.0, 2.5])
    assert record["predict_ratio"] == pytest.approx(0.5)


def test_rates_and_shares_follow_from_the_median(record: dict[str, Any]) -> None:
    assert record["repeats"] == 3
    assert record["ours_ms"] == pytest.approx(10)
    assert record["ours_images_per_second"] == pytest.approx(1000)
    # 10 images x 50 million x 2 in 10 ms are 100 GFLOP/s.
    assert record["ours_share_of_peak"] == pytest.approx(0.5)
    assert record["torch_share_of_peak"] == pytest.approx(0.5 / 3)
    assert record["predict_ours_share_of_peak"] == pytest.approx(0.5)


def test_the_tables_show_them(record: dict[str, Any]) -> None:
    train, predict = training_table([record]), prediction_table([record])
    cells = ["2.00", "2.00", "to", "2.50", "1,000", "333", "0.50", "0.17"]
    assert train.splitlines()[-1].split() == ["cnn", "10", "1,234", "10.0", "30.0", *cells]
    assert predict.splitlines()[-1].split()[3:6] == ["4.0", "2.0", "0.50"]
    assert len({len(line) for line in train.splitlines()[3:]}) == 1


def test_a_record_can_be_drawn(record: dict[str, Any]) -> None:
    from benchmarks.step_plot import alt_text, step_figure

    figure = step_figure([record, record], title="made up")
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "Images per second",
        "PyTorch's time / ours",
    ]
    assert "cnn batch 10: training 2.00, prediction 0.50" in alt_text([record])


def test_the_peak_is_over_all_cases() -> None:
    samples = [{"matmul jax": [1.0, 3.0], "ours train": [1.0]}, {"matmul jax": [2.0]}]
    assert matmul_peak(samples, size=1000) == pytest.approx({"jax": 1.0})
    assert matmul_gflops(1000, 0.5) == pytest.approx(4.0)


def test_a_training_step_leaves_out_the_gradient_of_the_image() -> None:
    layers = [layer(0), layer(10), layer(100)]
    assert forward_multiply_adds(layers) == 110
    assert training_multiply_adds(layers) == 3 * 110 - 10


def test_the_count_of_a_network_known_by_hand() -> None:
    model = create_model(
        "cnn", num_classes=4, conv_features=(8,), num_norms=0, num_pools=1, dense_features=()
    )
    layers = list_layers(model, image_shape=(10, 10, 3))
    convolution, dense = 100 * 27 * 8, 25 * 8 * 4
    assert training_multiply_adds(layers) == 2 * convolution + 3 * dense


def test_the_share_counts_two_operations_per_multiply_add() -> None:
    assert share_of_peak(10**9, seconds=1.0, peak_gflops=4.0) == pytest.approx(0.5)
