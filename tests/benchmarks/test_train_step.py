"""The comparison from its flags to its files."""

import json
from pathlib import Path

import pytest

from benchmarks import train_step

torch = pytest.importorskip("torch", reason="PyTorch (extra `bench`) is not installed")


@pytest.mark.usefixtures("quick_compilation")
def test_one_small_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import matmul, step_case

    monkeypatch.setattr(step_case, "LEAST_SAMPLE_SECONDS", 1e-6)
    monkeypatch.setitem(matmul.SIZES, "cpu", 32)
    monkeypatch.setattr(step_case, "_NUM_IMAGES", 8)
    json_file, plot = tmp_path / "step.json", tmp_path / "step.png"
    flags = ["--models=cnn", "--batch_sizes=2", "--repeats=2", "--device=cpu"]
    threads = torch.get_num_threads()
    train_step.main([*flags, f"--json={json_file}", f"--plot={plot}"])
    torch.set_num_threads(threads)
    out = capsys.readouterr().out
    assert "training step\n" in out
    assert "prediction\n" in out
    result = json.loads(json_file.read_text())
    (record,) = result["records"]
    assert (record["model"], record["batch_size"], record["dtype"]) == ("cnn", 2, "float32")
    assert record["num_params"] == 896_900
    assert record["ratio"] > 0
    assert record["predict_ratio"] > 0
    assert result["matmul_peak_gflops"] == max(result["matmul_gflops"].values())
    assert plot.is_file()
    assert plot.with_suffix(".svg").is_file()


def test_different_networks_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import ours, step_case

    class Smaller:
        num_params = 1

    class Built:
        def compile(self) -> "Built":
            return self

        compile_seconds = 0.0
        state = None

    monkeypatch.setattr(step_case.pytorch, "TorchNetwork", lambda *args, **kwargs: Smaller())
    monkeypatch.setattr(ours, "build", lambda *args: Built())
    monkeypatch.setattr(ours, "num_params", lambda state: 2)
    settings = step_case.Settings("cpu", "float32", 1, ["eager"], {})
    with pytest.raises(RuntimeError, match="not the same network"):
        step_case.measure_case("cnn", 2, settings)


def test_pytorch_trains_and_predicts_in_both_precisions() -> None:
    from benchmarks.pytorch import OptimizerFields, TorchNetwork

    for dtype, optimizer in (("float32", "adam"), ("bfloat16", "sgd")):
        network = TorchNetwork(
            "cnn",
            batch_size=2,
            optimizer=OptimizerFields(optimizer, 1e-3, 0.9),
            device="cpu",
            dtype=dtype,
            side=16,
        )
        network.train(2)
        network.predict(1)
        network.require_finite()


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 3, 4, 6]), (16, [1, 2, 3, 4, 8, 16])]
)
def test_the_numbers_of_threads_that_are_tried(cores: int, counts: list[int]) -> None:
    from benchmarks.pytorch import thread_counts

    assert thread_counts(cores) == counts
